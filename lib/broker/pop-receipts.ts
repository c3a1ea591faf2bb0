import { MqError } from "../errors.js";
import { ORDERLY_REVIVE_QUEUE, type ReceiptHandle } from "../message/receipt-handle.js";
import type { OrderedMessage, PopOrder } from "../store/pop-order-table.js";
import type { PopCheckpoint } from "../store/pop-table.js";
import type { ConsumeOffsets } from "./consume-offsets.js";
import { isAcknowledged, type PopCheckpoints } from "./pop-checkpoints.js";
import type { PopKeys } from "./pop-keys.js";
import { blockedUntil, nextInOrder, type PopOrders, poppedBy } from "./pop-orders.js";
import type { QueueStates } from "./queue-states.js";

/** Which message of which group is meant. */
export interface ReceiptRequest {
  readonly group: string;
  /** Where it was popped from: the retry topic of group and topic, for example. */
  readonly topic: string;
  readonly handle: ReceiptHandle;
}

export interface PopReceiptsParts {
  readonly brokerName: string;
  readonly queues: QueueStates;
  readonly offsets: ConsumeOffsets<string>;
  readonly checkpoints: PopCheckpoints;
  readonly orders: PopOrders;
  readonly keys: PopKeys;
}

/** A message that an orderly group has in hand. */
interface InOrder {
  readonly order: PopOrder;
  readonly message: OrderedMessage;
}

/** One that another group has. */
interface InCheckpoint {
  readonly checkpoint: PopCheckpoint;
  readonly index: number;
}

/**
 * What a group does with messages that it popped: acknowledges them, or has them stay invisible for another time. Each handle is for one use, and only until
 * its time is up: whoever is too late changes nothing, as the message may be with somebody else.
 *
 * Source: RocketMQ, `broker/.../processor/AckMessageProcessor.java`, `ChangeInvisibleTimeProcessor.java`, which take a late handle in silence; its proxy
 * refuses it.
 */
export class PopReceipts {
  readonly #parts: PopReceiptsParts;

  constructor(parts: PopReceiptsParts) {
    this.#parts = parts;
  }

  /** Inside a transaction. Returns whether that has freed a queue for its group. Throws before anything is written. */
  acknowledge(request: ReceiptRequest, now: number): boolean {
    if (isOrderly(request)) return this.#acknowledgeInOrder(request, now);
    const { checkpoint, index } = this.#findInCheckpoint(request, now);
    this.#parts.checkpoints.acknowledge(checkpoint, index);
    return false;
  }

  /** Inside a transaction: the message is visible again after this time from now on. Returns its new handle. Throws before anything is written. */
  changeInvisible(request: ReceiptRequest, invisibleMs: number, now: number): ReceiptHandle {
    const visibleAt = now + invisibleMs;
    const { handle, group } = request;
    const { checkpoints, orders, keys } = this.#parts;
    if (isOrderly(request)) {
      const { order: found, message } = this.#findInOrder(request, now);
      const order = poppedBy(found, now);
      message.visibleAt = visibleAt;
      message.popKey = keys.take();
      orders.put(order);
      return { ...handle, invisibleMs: visibleAt - order.popTime, popKey: message.popKey };
    }
    const { checkpoint, index } = this.#findInCheckpoint(request, now);
    const popKey = keys.take();
    const startOffset = handle.queueOffset;
    const { queueKey } = checkpoint;
    checkpoints.add({
      ...{ popKey, group, queueKey, startOffset, popTime: now, visibleAt, acknowledged: 0 },
      offsets: [startOffset],
    });
    checkpoints.acknowledge(checkpoint, index);
    return { ...handle, startOffset, popTime: now, invisibleMs, popKey };
  }

  #acknowledgeInOrder(request: ReceiptRequest, now: number): boolean {
    const { orders, offsets } = this.#parts;
    const { group, topic, handle } = request;
    const { order, message } = this.#findInOrder(request, now);
    message.isAcknowledged = true;
    offsets.store(group, topic, handle.queueId, nextInOrder(order));
    if (order.messages.every(({ isAcknowledged: isDone }) => isDone)) orders.delete(group, order.queueKey);
    else orders.put(order);
    return blockedUntil(order, undefined, now) === undefined;
  }

  #findInCheckpoint(request: ReceiptRequest, now: number): InCheckpoint {
    const { group, handle } = request;
    const checkpoint = this.#parts.checkpoints.find(handle.popKey);
    if (checkpoint === undefined || checkpoint.group !== group || checkpoint.queueKey !== this.#queueKeyOf(request))
      throw unusable(request);
    const index = checkpoint.offsets.indexOf(handle.queueOffset);
    if (index === -1 || isAcknowledged(checkpoint, index)) throw unusable(request);
    if (checkpoint.visibleAt <= now) throw tooLate(request, now - checkpoint.visibleAt);
    return { checkpoint, index };
  }

  #findInOrder(request: ReceiptRequest, now: number): InOrder {
    const { group, topic, handle } = request;
    const { orders, offsets } = this.#parts;
    const progress = offsets.find(group, topic, handle.queueId);
    const order = orders.current(group, this.#queueKeyOf(request), progress);
    const message = order?.messages.find(({ queueOffset }) => queueOffset === handle.queueOffset);
    if (order === undefined || message === undefined || message.popKey !== handle.popKey || handle.popKey === 0)
      throw unusable(request);
    if (message.isAcknowledged) throw unusable(request);
    if (message.visibleAt <= now) throw tooLate(request, now - message.visibleAt);
    return { order, message };
  }

  #queueKeyOf({ topic, handle }: ReceiptRequest): number {
    if (handle.brokerName !== this.#parts.brokerName) return 0;
    return this.#parts.queues.find(topic, handle.queueId)?.queueKey ?? 0;
  }
}

function isOrderly({ handle }: ReceiptRequest): boolean {
  return handle.reviveQueueId === ORDERLY_REVIVE_QUEUE;
}

function unusable({ group, topic, handle }: ReceiptRequest): MqError {
  const { queueId, queueOffset } = handle;
  return new MqError(
    "ERR_MQ_RECEIPT_HANDLE",
    `the receipt handle of offset ${queueOffset} in queue ${queueId} of ${topic} was used, has been replaced, or is none of group ${group} here`,
  );
}

function tooLate({ topic, handle }: ReceiptRequest, lateMs: number): MqError {
  const { queueId, queueOffset } = handle;
  return new MqError(
    "ERR_MQ_RECEIPT_HANDLE",
    `the receipt handle of offset ${queueOffset} in queue ${queueId} of ${topic} ran out ${lateMs} ms ago: the message is delivered again`,
  );
}
