import type { BrokerEvents, EventHub } from "../broker/broker-events.js";
import type { AppendRequest, HalfRequest } from "../broker/broker-port.js";
import type { LocalBroker } from "../broker/local-broker.js";
import { findMessage } from "../broker/recall.js";
import { isDeadLetterTopic, isRetryTopic } from "../message/derived-names.js";
import { queueKeyOf } from "../message/message-queue.js";
import { type MessageView, StoredMessageView } from "../message/message-view.js";
import { type RecordContent, recordSize, writeRecord } from "../message/record.js";
import type { Clock } from "../time/clock.js";
import type { HistoryEvent, MessageState } from "./history.js";

type EventOf<E extends keyof BrokerEvents> = Parameters<BrokerEvents[E]>[0];
type Place = Pick<HistoryEvent, "topic" | "queueId" | "queueOffset" | "tag" | "keys">;
type OfGroup = Partial<Pick<HistoryEvent, "group" | "clientId" | "deliveryAttempt" | "dueAt">>;

/** What is known of a message. */
interface KnownMessage {
  readonly messageId: string;
  producerGroup: string | undefined;
  /** Where it was sent to, and lies once it does. */
  place: Place | undefined;
  isSent: boolean;
  isRecalled: boolean;
  /** By group. */
  readonly consumptions: Map<string, Consumption>;
}

/** What a group heard of a message last. */
interface Consumption {
  view: MessageView | undefined;
  clientId: string | undefined;
  deliveryAttempt: number | undefined;
}

/** Writes down what happens to each message, from what passes between clients and broker and what the broker tells. */
export class MessageRecorder {
  readonly #clock: Clock;
  #history: HistoryEvent[] = [];
  #sent: MessageView[] = [];
  #consumed: { readonly group: string; readonly view: MessageView }[] = [];
  /** By queue, what has not expired, in order of offsets. */
  #kept = new Map<string, { readonly messageId: string; readonly queueOffset: number }[]>();
  /** By message id. */
  #messages = new Map<string, KnownMessage>();
  /** Sent in a transaction that is not known to be committed. */
  #uncertain: AppendRequest[] = [];
  readonly #listeners = new Set<(event: HistoryEvent) => void>();
  #broker: LocalBroker | undefined;

  constructor(clock: Clock, events: EventHub) {
    this.#clock = clock;
    events.on("message:stored", (event) => this.#onStored(event));
    events.on("message:delivered", (event) => this.#onDelivered(event));
    events.on("message:consumed", (event) => this.#onConsumed(event));
    events.on("message:retried", (event) => this.#onFailed("retried", event));
    events.on("message:deadLettered", (event) => this.#onFailed("dead-lettered", event));
    events.on("message:expired", (event) => this.#onExpired(event));
    events.on("transaction:checked", (event) => this.#onChecked(event));
    events.on("transaction:resolved", (event) => this.#onResolved(event));
  }

  get history(): readonly HistoryEvent[] {
    this.look();
    return this.#history;
  }

  sentTo(topic: string | undefined): readonly MessageView[] {
    this.look();
    return topic === undefined ? [...this.#sent] : this.#sent.filter((message) => message.topic === topic);
  }

  consumedBy(group: string | undefined): readonly MessageView[] {
    return this.#consumed.filter((entry) => group === undefined || entry.group === group).map(({ view }) => view);
  }

  /** As they were sent or, what was sent before this broker was opened, as the group got it. */
  deadLetteredBy(wanted: string | undefined): readonly MessageView[] {
    const sent = new Map(this.#sent.map((view) => [view.messageId, view]));
    const viewOf = ({ messageId, group = "" }: HistoryEvent): MessageView | undefined =>
      sent.get(messageId) ?? this.#messages.get(messageId)?.consumptions.get(group)?.view;
    const dead = this.#history.filter(({ state, group }) => state === "dead-lettered" && (wanted ?? group) === group);
    return dead.flatMap((event) => viewOf(event) ?? []);
  }

  /** Which broker is asked for what it stored. */
  watch(broker: LocalBroker): void {
    this.#broker = broker;
  }

  clear(): void {
    this.#history = [];
    this.#sent = [];
    this.#consumed = [];
    this.#kept = new Map();
    this.#messages = new Map();
    this.#uncertain = [];
  }

  /** Calls with each event from now on. @returns what ends it. */
  listen(listener: (event: HistoryEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** On their way to the broker. */
  sending({ messages }: AppendRequest, producerGroup: string | undefined): void {
    for (const { uniqueId } of messages) this.#messageOf(uniqueId).producerGroup = producerGroup;
  }

  /** They are stored. A half message counts as sent when it is committed. */
  sent({ topic, queueId, messages, delayed, half }: AppendRequest): void {
    if (half !== undefined) this.#addHalf(topic, queueId, half);
    else if (delayed?.dueAt !== undefined) this.#add(this.#viewOf(topic, queueId, delayed.record), delayed.dueAt);
    else for (const { queueOffset } of messages) this.#readSent(topic, queueId, queueOffset);
  }

  /** They are stored when the transaction commits, which the broker tells of when it sees it; but of those that are put off it tells only when they are due. */
  sentInTransaction(request: AppendRequest): void {
    this.#uncertain.push(request);
  }

  /** The broker took it back, if it was there: it will be delivered to nobody. */
  recalled(messageId: string): void {
    const message = this.#messages.get(messageId);
    if (message?.place?.queueOffset !== -1 || message.isRecalled) return;
    message.isRecalled = true;
    this.#enter("expired", message, message.place.topic, {});
  }

  /** A client of this group got it from the broker. */
  saw(group: string, view: MessageView): void {
    this.#consumptionOf(view.messageId, group).view = view;
  }

  /** Retries and dead letters are told of by what led to them. */
  #onStored({ messageId, topic, queueId, queueOffset }: EventOf<"message:stored">): void {
    this.look();
    if (isRetryTopic(topic) || isDeadLetterTopic(topic)) return;
    const message = this.#messageOf(messageId);
    if (!message.isSent) this.#readSent(topic, queueId, queueOffset);
    // It was put off, and lies in its queue now.
    else if (message.place !== undefined && message.place.queueOffset < 0)
      message.place = { ...message.place, queueId, queueOffset };
    const key = queueKeyOf(topic, queueId);
    const kept = this.#kept.get(key);
    if (kept === undefined) this.#kept.set(key, [{ messageId, queueOffset }]);
    else kept.push({ messageId, queueOffset });
  }

  /** @param uniqueId - for when it may be another one. */
  #readSent(topic: string, queueId: number, queueOffset: number, uniqueId?: string): void {
    const { engine, messages } = this.#broker as LocalBroker;
    const [view] = engine.reads.readNow(() => messages.browse(topic, queueId, queueOffset, 1));
    if (view !== undefined && (uniqueId ?? view.messageId) === view.messageId) this.#add(view);
  }

  /** Whether what was sent in a transaction has committed meanwhile. */
  look(): void {
    const { engine, isInTransaction } = this.#broker as LocalBroker;
    if (this.#uncertain.length === 0 || isInTransaction || !engine.isUsable) return;
    const requests = this.#uncertain;
    this.#uncertain = [];
    for (const request of requests) {
      if (request.delayed?.dueAt === undefined) this.#readUncertain(request);
      else if (this.#isPending(request, request.delayed.dueAt)) this.sent(request);
    }
  }

  #isPending({ topic, messages: [message] }: AppendRequest, dueAt: number): boolean {
    const { engine } = this.#broker as LocalBroker;
    if (message === undefined) return false;
    const { uniqueId } = message;
    const blocks = engine.reads.readNow(() => engine.store.due.listAt(dueAt, topic, uniqueId));
    return findMessage(blocks, uniqueId) !== undefined;
  }

  /** Others lie in their places where the transaction was rolled back. */
  #readUncertain({ topic, queueId, messages }: AppendRequest): void {
    for (const { uniqueId, queueOffset } of messages)
      if (!this.#messageOf(uniqueId).isSent) this.#readSent(topic, queueId, queueOffset, uniqueId);
  }

  #viewOf(topic: string, queueId: number, record: RecordContent): MessageView {
    const records = Buffer.alloc(recordSize(record.uniqueId, record.propertiesSize, record.bodySize));
    writeRecord(records, 0, record);
    return this.#viewIn(topic, queueId, records);
  }

  /** Of a message that lies in no queue yet. */
  #viewIn(topic: string, queueId: number, records: Buffer): MessageView {
    const { brokerName, clusterName, storeHost } = this.#broker as LocalBroker;
    const block = { records, commitLogOffset: 0, storeTimestamp: this.#clock.now() };
    return new StoredMessageView({ topic, queueId, brokerName, clusterName, storeHost }, block, 0, -1);
  }

  #add(view: MessageView, dueAt?: number): void {
    const message = this.#messageOf(view.messageId);
    message.isSent = true;
    message.place = placeOf(view);
    this.#sent.push(view);
    this.#enter("stored", message, view.topic, { dueAt });
  }

  #addHalf(topic: string, queueId: number, { producerGroup, record }: HalfRequest): void {
    if (record === undefined) return;
    const view = this.#viewIn(topic, queueId, record);
    const message = this.#messageOf(view.messageId);
    message.producerGroup = producerGroup;
    message.place = placeOf(view);
    this.#enter("half", message, topic, {});
  }

  #onChecked({ transactionId, producerGroup }: EventOf<"transaction:checked">): void {
    const message = this.#messageOf(transactionId);
    if (message.place === undefined) {
      // It was stored before this broker was opened.
      const { engine } = this.#broker as LocalBroker;
      const half = engine.reads.readNow(() => engine.store.halves.findChecked(transactionId));
      if (half === undefined) return;
      message.producerGroup = producerGroup;
      message.place = placeOf(this.#viewIn(half.topic, half.queueId, half.record));
    }
    this.#enter("checked", message, message.place.topic, {});
  }

  /** One that nobody answers for is neither committed nor rolled back. */
  #onResolved({ transactionId, resolution }: EventOf<"transaction:resolved">): void {
    const message = this.#messages.get(transactionId);
    if (message?.place === undefined || resolution === "gave-up") return;
    this.#enter(resolution === "commit" ? "committed" : "rolled-back", message, message.place.topic, {});
  }

  #onDelivered({ messageId, topic, group, clientId, deliveryAttempt }: EventOf<"message:delivered">): void {
    const consumption = this.#consumptionOf(messageId, group);
    consumption.clientId = clientId;
    consumption.deliveryAttempt = deliveryAttempt;
    this.#enter("delivered", this.#messageOf(messageId), topic, { group, clientId, deliveryAttempt });
  }

  #onConsumed({ messageId, topic, group, clientId }: EventOf<"message:consumed">): void {
    const { view, deliveryAttempt } = this.#consumptionOf(messageId, group);
    if (view !== undefined) this.#consumed.push({ group, view });
    this.#enter("consumed", this.#messageOf(messageId), topic, { group, clientId, deliveryAttempt });
  }

  #onFailed(
    state: "retried" | "dead-lettered",
    event: EventOf<"message:deadLettered"> & Partial<EventOf<"message:retried">>,
  ): void {
    const { messageId, topic, group, deliveryAttempt, dueAt } = event;
    const { clientId } = this.#consumptionOf(messageId, group);
    this.#enter(state, this.#messageOf(messageId), topic, { group, clientId, deliveryAttempt, dueAt });
  }

  #onExpired({ topic, queueId, toOffset }: EventOf<"message:expired">): void {
    const kept = this.#kept.get(queueKeyOf(topic, queueId)) ?? [];
    const end = kept.findIndex(({ queueOffset }) => queueOffset >= toOffset);
    for (const { messageId } of kept.splice(0, end < 0 ? kept.length : end))
      this.#enter("expired", this.#messageOf(messageId), topic, {});
  }

  #messageOf(messageId: string): KnownMessage {
    let message = this.#messages.get(messageId);
    if (message === undefined) {
      const nothing = { producerGroup: undefined, place: undefined, isSent: false, isRecalled: false };
      message = { messageId, ...nothing, consumptions: new Map() };
      this.#messages.set(messageId, message);
    }
    return message;
  }

  #consumptionOf(messageId: string, group: string): Consumption {
    const { consumptions } = this.#messageOf(messageId);
    let consumption = consumptions.get(group);
    if (consumption === undefined) {
      consumption = { view: undefined, clientId: undefined, deliveryAttempt: undefined };
      consumptions.set(group, consumption);
    }
    return consumption;
  }

  /** @param topic - for a message of which nothing else is known: it was stored before this broker was opened, say. */
  #enter(state: MessageState, message: KnownMessage, topic: string, ofGroup: OfGroup): void {
    const { messageId, producerGroup, place = placeUnknown(message, topic) } = message;
    const { queueId, queueOffset, tag, keys } = place;
    const { group, clientId, deliveryAttempt, dueAt } = ofGroup;
    const at = this.#clock.now();
    // One literal: with spreads this took a tenth of a simulated year.
    const event: HistoryEvent = {
      at,
      state,
      messageId,
      topic: place.topic,
      queueId,
      queueOffset,
      tag,
      keys,
      producerGroup,
      group,
      clientId,
      deliveryAttempt,
      dueAt,
    };
    this.#history.push(event);
    if (this.#listeners.size > 0) for (const listener of [...this.#listeners]) listener(event);
  }
}

function placeUnknown({ consumptions }: KnownMessage, topic: string): Place {
  for (const { view } of consumptions.values()) if (view !== undefined) return placeOf(view);
  return { topic, queueId: -1, queueOffset: -1, tag: undefined, keys: [] };
}

function placeOf({ topic, queueId, queueOffset, tag, keys }: MessageView): Place {
  return { topic, queueId, queueOffset, tag, keys };
}
