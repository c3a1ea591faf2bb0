import { isRetryTopic, popRetryTopic, topicOfPopRetries } from "../message/derived-names.js";
import type { StoredMessageView } from "../message/message-view.js";
import { PROPERTY } from "../message/properties.js";
import type { PopCheckpoint } from "../store/pop-table.js";
import type { Store } from "../store/store.js";
import type { EventHub } from "./broker-events.js";
import type { ConsumeOffsets } from "./consume-offsets.js";
import type { DueRows } from "./due-rows.js";
import type { LogAppender } from "./log-appender.js";
import type { MessageScan } from "./message-scan.js";
import { isAcknowledged, type PopCheckpoints } from "./pop-checkpoints.js";
import type { QueueStates } from "./queue-states.js";
import type { RetryTopics } from "./retry-topics.js";

/** What one transaction takes, so that a turn of the event loop stays short. */
const MAX_MESSAGES_A_MOVE = 1_024;
const MAX_BYTES_A_MOVE = 1024 * 1024;

export interface PopReviveParts {
  readonly store: Store;
  readonly queues: QueueStates;
  readonly scan: MessageScan;
  readonly offsets: ConsumeOffsets<string>;
  readonly retryTopics: RetryTopics;
  readonly appender: LogAppender;
  readonly checkpoints: PopCheckpoints;
  readonly events: EventHub;
}

/**
 * Has messages delivered again that were popped and not acknowledged in time: copies of them go to the retry topic of their group and topic, in the
 * transaction that deletes their checkpoint.
 *
 * Source: RocketMQ, `broker/.../processor/PopReviveService.java`, `reviveRetry`, which is late by as much as a second and repeats after a crash what it had
 * done since it last stored how far it had come.
 */
export class PopRevive implements DueRows {
  readonly #parts: PopReviveParts;
  /** In the open transaction, where somebody wants to hear of it. */
  #revived: { readonly group: string; readonly message: StoredMessageView; readonly dueAt: number }[] = [];

  constructor(parts: PopReviveParts) {
    this.#parts = parts;
  }

  get isKnown(): boolean {
    return this.#parts.checkpoints.earliest.isKnown;
  }

  earliest(): number | undefined {
    return this.#parts.checkpoints.earliest.get();
  }

  forgetEarliest(): void {
    this.#parts.checkpoints.earliest.forget();
  }

  moveDue(now: number): number {
    const { checkpoints } = this.#parts;
    let [bytes, messages] = [0, 0];
    for (const checkpoint of checkpoints.listDue(now, MAX_MESSAGES_A_MOVE)) {
      if (bytes >= MAX_BYTES_A_MOVE || messages >= MAX_MESSAGES_A_MOVE) break;
      bytes += this.#revive(checkpoint);
      messages += checkpoint.offsets.length;
      checkpoints.delete(checkpoint);
    }
    checkpoints.earliest.forget();
    return messages;
  }

  /** Tells of what was moved: after the commit. */
  committed(): void {
    const revived = this.#revived;
    if (revived.length === 0) return;
    this.#revived = [];
    for (const { group, message, dueAt } of revived) {
      const { messageId, topic, deliveryAttempt } = message;
      this.#parts.events.emit("message:retried", { messageId, topic, group, deliveryAttempt, dueAt });
    }
  }

  drop(): void {
    this.#revived = [];
  }

  /** Returns the bytes of what it moved. */
  #revive(checkpoint: PopCheckpoint): number {
    const { store, queues, scan, events } = this.#parts;
    const { group, queueKey, visibleAt, offsets } = checkpoint;
    const place = store.queues.findByKey(queueKey);
    if (place === undefined) return 0;
    const queue = queues.get(place.topic, place.queueId);
    const isHeard = events.isHeard("message:retried");
    const isRetry = isRetryTopic(place.topic);
    const topic = isRetry ? place.topic : popRetryTopic(group, place.topic);
    let bytes = 0;
    this.#require(group, topic);
    for (const [index, offset] of offsets.entries()) {
      // What retention has deleted may still be in memory.
      if (isAcknowledged(checkpoint, index) || offset < queue.minOffset) continue;
      const [message] = scan.read(queue, { offset, maxMessages: 1, maxBytes: 0 }).messages;
      if (message?.queueOffset !== offset) continue;
      bytes += message.storeSize;
      this.#append(topic, message, checkpoint.popTime);
      if (isHeard) {
        if (isRetry) message.restoreTopic(topicOfPopRetries(group, place.topic));
        this.#revived.push({ group, message, dueAt: visibleAt });
      }
    }
    return bytes;
  }

  #require(group: string, topic: string): void {
    const { retryTopics, offsets } = this.#parts;
    retryTopics.requirePopRetryTopic(topic);
    if (offsets.find(group, topic, 0) === undefined) offsets.store(group, topic, 0, 0);
  }

  #append(topic: string, message: StoredMessageView, popTime: number): void {
    const properties = new Map(message.storedProperties);
    if (message.storedReconsumeTimes === 0 || !properties.has(PROPERTY.FIRST_POP_TIME))
      properties.set(PROPERTY.FIRST_POP_TIME, String(popTime));
    const record = message.toRetriedRecord(properties);
    this.#parts.appender.add(topic, 0, { ...record, queueOffset: -1, commitLogOffset: -1 });
  }
}
