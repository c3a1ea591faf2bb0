import { MqError } from "../errors.js";
import { parseTagExpression, type TagExpression } from "../filter/tag-expression.js";
import { isDeadLetterTopic, isRetryTopic, popRetryTopic } from "../message/derived-names.js";
import type { PopStamp, StoredMessageView } from "../message/message-view.js";
import { PERM } from "../message/system-topics.js";
import type { GroupConfig } from "../store/group-table.js";
import type { OrderedMessage, PopOrder } from "../store/pop-order-table.js";
import { MAX_POPPED } from "../store/pop-table.js";
import type { Chance } from "../time/chance.js";
import type { ConsumeOffsets } from "./consume-offsets.js";
import type { DeadLetters } from "./dead-letters.js";
import type { Groups } from "./groups.js";
import type { MessageScan } from "./message-scan.js";
import type { PopCheckpoints } from "./pop-checkpoints.js";
import type { PopKeys } from "./pop-keys.js";
import type { PopOffsets, PopStart } from "./pop-offsets.js";
import { blockedUntil, nextInOrder, type PopOrders } from "./pop-orders.js";
import type { Profile } from "./profile.js";
import type { QueueState, QueueStates } from "./queue-states.js";
import type { SentBack } from "./sent-back.js";
import type { Topics } from "./topics.js";

/** Of a hundred pops so many look into the retry topic first. Source: RocketMQ, `BrokerConfig.java`, `popFromRetryProbability`. */
const RETRY_FIRST_PERCENT = 20;
/** What one pop reads; one message may be larger. */
const MAX_BYTES = 1024 * 1024;
/** Parsed expressions that are kept; a group has one a topic. */
const MAX_FILTERS = 1_000;

/** A topic and which of its messages are wanted. */
export interface PopTopic {
  readonly topic: string;
  /** A tag expression. */
  readonly expression: string;
}

/** What is asked for in one pop. */
export interface PopRequest {
  readonly group: string;
  /** All messages of an answer are of one of them: of the first that has any. One that does not exist, or cannot be read, has none. */
  readonly topics: readonly PopTopic[];
  /** 1 to 32. */
  readonly maxMessages: number;
  readonly invisibleMs: number;
  /** How long to wait for a message when there is none; 0 answers at once. */
  readonly awaitMs: number;
  /** Where a group begins in a queue in which it has no progress. */
  readonly startAt: PopStart;
  /** An orderly group gets what it has in hand again when the same attempt asks again. */
  readonly attemptId: string | undefined;
}

/** A message that had used up its attempts. */
export interface BuriedMessage {
  readonly message: StoredMessageView;
  /** Its last one. */
  readonly deliveryAttempt: number;
}

/** What one look at the topics of a pop came to. */
export interface PopOutcome {
  readonly messages: readonly StoredMessageView[];
  /** Those that are among the dead letters now. */
  readonly deadLettered: readonly BuriedMessage[];
  /** There may be more, without anybody storing any. */
  readonly hasMore: boolean;
  /** When a queue that is blocked, by this pop perhaps, is free at the latest; `undefined`: none is blocked. */
  readonly blockedUntil: number | undefined;
}

/** What can be told of a pop without looking into messages. */
export interface PopGlance {
  /** It might find something, as far as can be told from offsets. */
  readonly mayFind: boolean;
  /** When a queue that is blocked, and has something, is free at the latest; `undefined` when none is, or it may find something. */
  readonly blockedUntil: number | undefined;
  /** How many queues were looked at. */
  readonly queues: number;
}

export interface PopMessageParts {
  readonly profile: Profile;
  readonly chance: Chance;
  readonly groups: Groups;
  readonly topics: Topics;
  readonly queues: QueueStates;
  readonly scan: MessageScan;
  readonly sentBack: SentBack;
  readonly offsets: ConsumeOffsets<string>;
  readonly startOffsets: PopOffsets;
  readonly deadLetters: DeadLetters;
  readonly checkpoints: PopCheckpoints;
  readonly orders: PopOrders;
  readonly keys: PopKeys;
}

/**
 * Takes messages for one member of a group out of any queue and hides them from the others, in the transaction that is open: the write lock gives each
 * to one member, in whatever process. The group's offset passes them, so that what becomes of them is in their checkpoint alone. An orderly group's offset
 * stays at the first one that is not acknowledged, and its queue is blocked meanwhile.
 *
 * What the proxy does with the answer is done here: a tag that only has the code of one that is wanted counts as consumed, and a message that was delivered
 * as often as the group allows goes to the dead letters.
 *
 * Source: RocketMQ, `broker/.../processor/PopMessageProcessor.java`; `proxy/.../grpc/v2/consumer/PopMessageResultFilterImpl.java`.
 */
export class PopMessage {
  readonly #parts: PopMessageParts;
  readonly #filters = new Map<string, TagExpression>();

  constructor(parts: PopMessageParts) {
    this.#parts = parts;
  }

  /** Throws before anything is written. */
  apply(request: PopRequest, now: number): PopOutcome {
    const config = this.#check(request);
    const pop = new Pop(request, config, now);
    for (const { topic, expression } of request.topics) {
      this.#popTopic(pop, topic, this.#filterOf(expression));
      if (pop.messages.length > 0) break;
    }
    return pop;
  }

  /** Inside a read; for one that waits, and so has nothing in hand that it could ask for again. */
  glance({ group, topics: wanted }: Pick<PopRequest, "group" | "topics">, now: number): PopGlance {
    const { topics, groups, queues, offsets, orders } = this.#parts;
    const isOrderly = groups.find(group)?.consumeMessageOrderly === true;
    let blocked: number | undefined;
    let seen = 0;
    for (const { topic } of wanted)
      for (const name of isOrderly ? [topic] : [topic, popRetryTopic(group, topic)]) {
        const queueCount = topics.find(name)?.readQueueNums ?? 0;
        for (let queueId = 0; queueId < queueCount; queueId += 1) {
          const queue = queues.get(name, queueId);
          const stored = offsets.find(group, name, queueId) ?? queue.minOffset;
          seen += 1;
          if (stored >= queue.maxOffset) continue;
          const order = isOrderly ? orders.look(group, queue.queueKey, stored) : undefined;
          const until = order === undefined ? undefined : blockedUntil(order, undefined, now);
          if (until === undefined) return { mayFind: true, blockedUntil: undefined, queues: seen };
          if (blocked === undefined || until < blocked) blocked = until;
        }
      }
    return { mayFind: false, blockedUntil: blocked, queues: seen };
  }

  #check({ group, maxMessages }: PopRequest): GroupConfig {
    if (!Number.isInteger(maxMessages) || maxMessages < 1 || maxMessages > MAX_POPPED) {
      throw new MqError("ERR_MQ_INVALID_ARGUMENT", `a pop takes 1 to ${MAX_POPPED} messages, got ${maxMessages}`, {
        responseCode: 29,
      });
    }
    const { groups } = this.#parts;
    groups.requireForConsumer(group);
    const config = groups.get(group);
    if (config.consumeEnable) return config;
    throw new MqError("ERR_MQ_NO_PERMISSION", `consumer group ${group} may not consume (consumeEnable is false)`);
  }

  #filterOf(expression: string): TagExpression {
    const known = this.#filters.get(expression);
    if (known !== undefined) return known;
    const filter = parseTagExpression(expression);
    if (this.#filters.size >= MAX_FILTERS) this.#filters.clear();
    this.#filters.set(expression, filter);
    return filter;
  }

  /** Queues in a ring from a random one on; the retry topic before them, or behind them. */
  #popTopic(pop: Pop, topic: string, filter: TagExpression): void {
    const { topics, chance, startOffsets } = this.#parts;
    const config = topics.find(topic);
    if (config === undefined || (config.perm & PERM.READ) === 0) return;
    const { readQueueNums } = config;
    startOffsets.initialise(pop.request, topic, readQueueNums);
    const drawn = chance.nextInt(100);
    const isRetryFirst = drawn < RETRY_FIRST_PERCENT;
    if (isRetryFirst) this.#popRetries(pop, topic, filter);
    for (let index = 0; index < readQueueNums; index += 1)
      this.#popQueue(pop, topic, topic, (drawn + index) % readQueueNums, filter);
    if (!isRetryFirst) this.#popRetries(pop, topic, filter);
  }

  /** An orderly group has none. */
  #popRetries(pop: Pop, topic: string, filter: TagExpression): void {
    if (pop.isOrderly) return;
    const retry = this.#parts.topics.find(popRetryTopic(pop.request.group, topic));
    for (let queueId = 0; queueId < (retry?.readQueueNums ?? 0); queueId += 1)
      this.#popQueue(pop, topic, retry?.topic ?? topic, queueId, filter);
  }

  /** @param asked - the topic that is popped, whose retry topic `topic` may be. */
  #popQueue(pop: Pop, asked: string, topic: string, queueId: number, filter: TagExpression): void {
    if (pop.isFull) {
      pop.hasMore = true;
      return;
    }
    const { queues, offsets, scan, sentBack, orders } = this.#parts;
    const { group, attemptId } = pop.request;
    const queue = queues.get(topic, queueId);
    const stored = offsets.find(group, topic, queueId) ?? queue.minOffset;
    const order = pop.isOrderly ? orders.current(group, queue.queueKey, stored) : undefined;
    const until = order === undefined ? undefined : blockedUntil(order, attemptId, pop.now);
    if (until !== undefined) {
      pop.blocked(until);
      return;
    }
    // Retention has passed it, or somebody has set it beyond the end.
    const offset = Math.min(Math.max(stored, queue.minOffset), queue.maxOffset);
    if (offset !== stored) offsets.store(group, topic, queueId, offset);
    if (offset === queue.maxOffset) return;
    const found = scan.read(queue, {
      ...{ offset, maxMessages: pop.room, maxBytes: MAX_BYTES - pop.bytes, filter },
      skipped: sentBack.of(group, queue.queueKey),
    });
    // The first message is read however large it is.
    if (pop.bytes > 0 && pop.bytes + found.bytes > MAX_BYTES) {
      pop.isOutOfBytes = true;
      pop.hasMore = true;
      return;
    }
    pop.bytes += found.bytes;
    // Reading a tag costs more than all the rest.
    const isAll = filter.tags.size === 0;
    const wanted = isAll ? found.messages : found.messages.filter(({ tag }) => filter.matchesTag(tag));
    if (isRetryTopic(topic)) for (const message of wanted) message.restoreTopic(topic === asked ? undefined : asked);
    if (pop.isOrderly) this.#takeInOrder(pop, queue, offset, found.nextOffset, wanted, order);
    else this.#take(pop, queue, offset, found.nextOffset, wanted);
  }

  #take(
    pop: Pop,
    queue: QueueState,
    startOffset: number,
    nextOffset: number,
    found: readonly StoredMessageView[],
  ): void {
    const { offsets, checkpoints, keys } = this.#parts;
    const { group } = pop.request;
    // A dead letter has used up the attempts that it had before: it would be buried where it lies, again and again.
    const messages = isDeadLetterTopic(queue.topic)
      ? found
      : found.filter((message) => !this.#bury(pop, message, message.storedReconsumeTimes));
    if (messages.length > 0) {
      const { now: popTime, visibleAt } = pop;
      const popKey = keys.take();
      checkpoints.add({
        ...{ popKey, group, queueKey: queue.queueKey, startOffset, popTime, visibleAt, acknowledged: 0 },
        offsets: messages.map(({ queueOffset }) => queueOffset),
      });
      const poppedFrom = isRetryTopic(queue.topic) ? "retry" : "normal";
      const stamp: PopStamp = { popKey, startOffset, popTime, visibleAt, poppedFrom, consumedTimes: undefined };
      for (const message of messages) message.markPopped(stamp);
      pop.messages.push(...messages);
    }
    offsets.store(group, queue.topic, queue.queueId, nextOffset);
    if (nextOffset < queue.maxOffset) pop.hasMore = true;
  }

  /** @param last - what the group had in hand of this queue before. */
  #takeInOrder(
    pop: Pop,
    queue: QueueState,
    startOffset: number,
    nextOffset: number,
    found: readonly StoredMessageView[],
    last: PopOrder | undefined,
  ): void {
    const { offsets, orders, profile } = this.#parts;
    const { group, attemptId } = pop.request;
    const { queueKey, topic, queueId } = queue;
    const isSameAttempt = last?.attemptId !== undefined && last.attemptId === attemptId;
    const before = new Map(last?.messages.map((message) => [message.queueOffset, message]));
    // What lies behind it was not to be consumed yet.
    const failedFirst = last === undefined ? undefined : nextInOrder(last);
    const hasFailed = (offset: number): boolean =>
      !isSameAttempt && (offset === failedFirst || profile.countsAttemptsBehind);
    const messages = found.map((message): OrderedMessage => {
      const { queueOffset } = message;
      const known = before.get(queueOffset);
      const consumedTimes = known === undefined ? 0 : known.consumedTimes + (hasFailed(queueOffset) ? 1 : 0);
      // What was acknowledged, behind one that was not, comes again with it; but it is no dead letter.
      const isOver = known?.isAcknowledged === true && consumedTimes >= pop.maxAttempts;
      if (isOver || this.#bury(pop, message, consumedTimes))
        return { queueOffset, consumedTimes, isAcknowledged: true, visibleAt: 0, popKey: 0 };
      return this.#handOut(pop, message, startOffset, consumedTimes);
    });
    const order = { group, queueKey, attemptId, popTime: pop.now, startOffset, messages };
    if (messages.some(({ isAcknowledged }) => !isAcknowledged)) {
      orders.put(order);
      offsets.store(group, topic, queueId, nextInOrder(order));
      return;
    }
    // Nothing that is wanted is left of what was read.
    orders.delete(group, queueKey);
    offsets.store(group, topic, queueId, nextOffset);
    if (nextOffset < queue.maxOffset) pop.hasMore = true;
  }

  #handOut(pop: Pop, message: StoredMessageView, startOffset: number, consumedTimes: number): OrderedMessage {
    const { now: popTime, visibleAt } = pop;
    const popKey = this.#parts.keys.take();
    pop.blocked(visibleAt);
    message.markPopped({ popKey, startOffset, popTime, visibleAt, poppedFrom: "normal", consumedTimes });
    pop.messages.push(message);
    return { queueOffset: message.queueOffset, consumedTimes, isAcknowledged: false, visibleAt, popKey };
  }

  /** Whether it has used up its attempts; then it is a dead letter now, or nothing where its group has no retry queues. */
  #bury(pop: Pop, message: StoredMessageView, reconsumeTimes: number): boolean {
    if (reconsumeTimes < pop.maxAttempts) return false;
    if (pop.config.retryQueueNums > 0) {
      const { deadLetters } = this.#parts;
      deadLetters.put(pop.request.group, deadLetters.recordOf(message));
      pop.deadLettered.push({ message, deliveryAttempt: reconsumeTimes });
    }
    return true;
  }
}

/** One pop while it looks. */
class Pop implements PopOutcome {
  readonly request: PopRequest;
  readonly config: GroupConfig;
  readonly now: number;
  readonly messages: StoredMessageView[] = [];
  readonly deadLettered: BuriedMessage[] = [];
  bytes = 0 as number;
  hasMore = false as boolean;
  /** The next message does not fit. */
  isOutOfBytes = false as boolean;
  #blockedUntil: number | undefined;

  constructor(request: PopRequest, config: GroupConfig, now: number) {
    this.request = request;
    this.config = config;
    this.now = now;
  }

  get isOrderly(): boolean {
    return this.config.consumeMessageOrderly;
  }

  /** Deliveries that a message gets; one at least, whatever RocketMQ does with a group of -1 retries. */
  get maxAttempts(): number {
    return Math.max(1, this.config.retryMaxTimes + 1);
  }

  get visibleAt(): number {
    return this.now + this.request.invisibleMs;
  }

  get room(): number {
    return this.request.maxMessages - this.messages.length;
  }

  get isFull(): boolean {
    return this.room === 0 || this.isOutOfBytes || this.bytes >= MAX_BYTES;
  }

  get blockedUntil(): number | undefined {
    return this.#blockedUntil;
  }

  blocked(until: number): void {
    if (this.#blockedUntil === undefined || until < this.#blockedUntil) this.#blockedUntil = until;
  }
}
