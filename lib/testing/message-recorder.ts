import type { BrokerEvents, EventHub } from "../broker/broker-events.js";
import type { AppendRequest } from "../broker/broker-port.js";
import type { LocalBroker } from "../broker/local-broker.js";
import { findMessage } from "../broker/recall.js";
import { isDeadLetterTopic, isRetryTopic } from "../message/derived-names.js";
import { queueKeyOf } from "../message/message-queue.js";
import { type MessageView, StoredMessageView } from "../message/message-view.js";
import { type RecordContent, recordSize, writeRecord } from "../message/record.js";
import type { Clock } from "../time/clock.js";
import type { HistoryEvent, MessageState } from "./history.js";

/** Of a message in a group, what was heard last. */
interface Consumption {
  readonly view: MessageView | undefined;
  readonly clientId: string | undefined;
  readonly deliveryAttempt: number | undefined;
}

type EventOf<E extends keyof BrokerEvents> = Parameters<BrokerEvents[E]>[0];
type OfGroup = Pick<HistoryEvent, "group" | "clientId" | "deliveryAttempt" | "dueAt">;

/** Writes down what happens to each message, from what passes between clients and broker and what the broker tells. */
export class MessageRecorder {
  readonly #clock: Clock;
  #history: HistoryEvent[] = [];
  #sent: MessageView[] = [];
  #consumed: { readonly group: string; readonly view: MessageView }[] = [];
  /** By queue, what has not expired, in order of offsets. */
  #kept = new Map<string, { readonly messageId: string; readonly queueOffset: number }[]>();
  /** By message id. */
  #stored = new Map<string, MessageView>();
  #producerGroups = new Map<string, string>();
  /** Put off in a transaction that is not known to be committed. */
  #uncertain: AppendRequest[] = [];
  /** By group and message id. */
  #consumptions = new Map<string, Consumption>();
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
  }

  get history(): readonly HistoryEvent[] {
    this.#lookAtUncertain();
    return this.#history;
  }

  sentTo(topic: string | undefined): readonly MessageView[] {
    this.#lookAtUncertain();
    return topic === undefined ? [...this.#sent] : this.#sent.filter((message) => message.topic === topic);
  }

  consumedBy(group: string | undefined): readonly MessageView[] {
    return this.#consumed.filter((entry) => group === undefined || entry.group === group).map(({ view }) => view);
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
    this.#stored = new Map();
    this.#producerGroups = new Map();
    this.#uncertain = [];
    this.#consumptions = new Map();
  }

  /** Calls with each event from now on. @returns what ends it. */
  listen(listener: (event: HistoryEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** On their way to the broker. */
  sending({ messages }: AppendRequest, producerGroup: string): void {
    for (const { uniqueId } of messages) this.#producerGroups.set(uniqueId, producerGroup);
  }

  /** They are stored. */
  sent({ topic, queueId, messages, delayed }: AppendRequest): void {
    if (delayed?.dueAt !== undefined) this.#add(this.#viewOf(topic, queueId, delayed.record), delayed.dueAt);
    else for (const { queueOffset } of messages) this.#readStored(topic, queueId, queueOffset);
  }

  /** They are stored when the transaction commits, which the broker tells of; but of those that are put off it tells only when they are due. */
  sentInTransaction(request: AppendRequest): void {
    if (request.delayed?.dueAt !== undefined) this.#uncertain.push(request);
  }

  /** A client of this group got it from the broker. */
  saw(group: string, view: MessageView): void {
    const key = keyOf(group, view.messageId);
    this.#consumptions.set(key, {
      clientId: undefined,
      deliveryAttempt: undefined,
      ...this.#consumptions.get(key),
      view,
    });
  }

  /** Retries and dead letters are told of by what led to them. */
  #onStored({ messageId, topic, queueId, queueOffset }: EventOf<"message:stored">): void {
    this.#lookAtUncertain();
    if (isRetryTopic(topic) || isDeadLetterTopic(topic)) return;
    const known = this.#stored.get(messageId);
    if (known === undefined) this.#readStored(topic, queueId, queueOffset);
    // It was put off, and lies in its queue now.
    else if (known.queueOffset < 0) this.#stored.set(messageId, this.#read(topic, queueId, queueOffset) ?? known);
    const key = queueKeyOf(topic, queueId);
    const kept = this.#kept.get(key);
    if (kept === undefined) this.#kept.set(key, [{ messageId, queueOffset }]);
    else kept.push({ messageId, queueOffset });
  }

  #readStored(topic: string, queueId: number, queueOffset: number): void {
    const view = this.#read(topic, queueId, queueOffset);
    if (view !== undefined) this.#add(view);
  }

  #read(topic: string, queueId: number, queueOffset: number): MessageView | undefined {
    const { engine, messages } = this.#broker as LocalBroker;
    return engine.reads.readNow(() => messages.browse(topic, queueId, queueOffset, 1))[0];
  }

  #lookAtUncertain(): void {
    const { engine, isInTransaction } = this.#broker as LocalBroker;
    if (this.#uncertain.length === 0 || isInTransaction || !engine.isUsable) return;
    const requests = this.#uncertain;
    this.#uncertain = [];
    for (const request of requests) {
      const { topic, messages, delayed } = request;
      const [message] = messages;
      const blocks = engine.reads.readNow(() => [...engine.store.due.listAt(delayed?.dueAt ?? 0, topic)]);
      if (message !== undefined && findMessage(blocks, message.uniqueId) !== undefined) this.sent(request);
    }
  }

  /** Of a message that lies in no queue yet. */
  #viewOf(topic: string, queueId: number, record: RecordContent): MessageView {
    const { brokerName, clusterName, storeHost } = this.#broker as LocalBroker;
    const records = Buffer.alloc(recordSize(record.uniqueId, record.propertiesSize, record.bodySize));
    writeRecord(records, 0, record);
    const block = { records, commitLogOffset: 0, storeTimestamp: this.#clock.now() };
    return new StoredMessageView({ topic, queueId, brokerName, clusterName, storeHost }, block, 0, -1);
  }

  #add(view: MessageView, dueAt?: number): void {
    this.#stored.set(view.messageId, view);
    this.#sent.push(view);
    this.#enter("stored", view.messageId, view, { dueAt });
  }

  #onDelivered({ messageId, topic, group, clientId, deliveryAttempt }: EventOf<"message:delivered">): void {
    const key = keyOf(group, messageId);
    const view = this.#consumptions.get(key)?.view;
    this.#consumptions.set(key, { view, clientId, deliveryAttempt });
    this.#enter("delivered", messageId, this.#stored.get(messageId) ?? view ?? { topic }, {
      group,
      clientId,
      deliveryAttempt,
    });
  }

  #onConsumed({ messageId, topic, group, clientId }: EventOf<"message:consumed">): void {
    const { view, deliveryAttempt } = this.#consumptions.get(keyOf(group, messageId)) ?? {};
    const known = view ?? this.#stored.get(messageId);
    if (known !== undefined) this.#consumed.push({ group, view: known });
    this.#enter("consumed", messageId, this.#stored.get(messageId) ?? view ?? { topic }, {
      group,
      clientId,
      deliveryAttempt,
    });
  }

  #onFailed(
    state: "retried" | "dead-lettered",
    event: EventOf<"message:deadLettered"> & Partial<EventOf<"message:retried">>,
  ): void {
    const { messageId, topic, group, deliveryAttempt, dueAt } = event;
    const { view, clientId } = this.#consumptions.get(keyOf(group, messageId)) ?? {};
    this.#enter(state, messageId, this.#stored.get(messageId) ?? view ?? { topic }, {
      group,
      clientId,
      deliveryAttempt,
      dueAt,
    });
  }

  #onExpired({ topic, queueId, toOffset }: EventOf<"message:expired">): void {
    const kept = this.#kept.get(queueKeyOf(topic, queueId)) ?? [];
    const end = kept.findIndex(({ queueOffset }) => queueOffset >= toOffset);
    for (const { messageId } of kept.splice(0, end < 0 ? kept.length : end))
      this.#enter("expired", messageId, this.#stored.get(messageId) ?? { topic }, {});
  }

  /** @param place - the message where it was sent to, or what is known of it. */
  #enter(
    state: MessageState,
    messageId: string,
    place: Pick<MessageView, "topic"> & Partial<MessageView>,
    rest: OfGroup,
  ): void {
    const { topic, queueId = -1, queueOffset = -1, tag, keys = [] } = place;
    const producerGroup = this.#producerGroups.get(messageId);
    const event: HistoryEvent = Object.freeze({
      ...{ at: this.#clock.now(), state, messageId, topic, queueId, queueOffset, tag, keys },
      ...(producerGroup === undefined ? {} : { producerGroup }),
      ...withoutUndefined(rest),
    });
    this.#history.push(event);
    for (const listener of [...this.#listeners]) listener(event);
  }
}

function keyOf(group: string, messageId: string): string {
  return `${group} ${messageId}`;
}

function withoutUndefined<T extends object>(fields: T): T {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T;
}
