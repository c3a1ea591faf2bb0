/** `reviveQueueId` of a handle of an orderly group. Source: RocketMQ, `common/.../KeyBuilder.java`, `POP_ORDER_REVIVE_QUEUE`. */
export const ORDERLY_REVIVE_QUEUE = 999;

/** Which topic the handle's queue is of: the one that was popped, or the retry topic of group and topic (`_` or, not used here, `+` between them). */
export type PoppedFrom = "normal" | "retry" | "retry v2";

/** Which message was popped, when, and in which pop: what it takes to acknowledge it. */
export interface ReceiptHandle {
  /** Where the pop began to read the queue. */
  readonly startOffset: number;
  readonly popTime: number;
  readonly invisibleMs: number;
  readonly reviveQueueId: number;
  readonly poppedFrom: PoppedFrom;
  readonly brokerName: string;
  readonly queueId: number;
  readonly queueOffset: number;
  /** Which pop: no other handle of the message has it. 0 where somebody else made the handle, who does not know. */
  readonly popKey: number;
}

const FLAGS: readonly PoppedFrom[] = ["normal", "retry", "retry v2"];
const NUMBER = /^\d{1,15}$/;

/**
 * `POP_CK`: eight fields of RocketMQ's, and our ninth, with a space between each. RocketMQ reads the first eight.
 *
 * ```
 * startOffset popTime invisibleTime reviveQueueId 0|1|2 brokerName queueId queueOffset popKey
 * ```
 * Two pops within one millisecond differ in nothing but the ninth.
 *
 * Source: RocketMQ 5.3.3, `remoting/.../header/ExtraInfoUtil.java`, `buildExtraInfo`.
 */
export function formatReceiptHandle(handle: ReceiptHandle): string {
  const { startOffset, popTime, invisibleMs, reviveQueueId, poppedFrom, brokerName, queueId, queueOffset, popKey } =
    handle;
  const flag = FLAGS.indexOf(poppedFrom);
  const eight = `${startOffset} ${popTime} ${invisibleMs} ${reviveQueueId} ${flag} ${brokerName} ${queueId} ${queueOffset}`;
  return popKey === 0 ? eight : `${eight} ${popKey}`;
}

/** `undefined` for what is no handle. */
export function parseReceiptHandle(text: string): ReceiptHandle | undefined {
  const fields = text.split(" ");
  const [startOffset, popTime, invisibleMs, reviveQueueId, flag, brokerName, queueId, queueOffset, popKey = "0"] =
    fields;
  const numbers = [startOffset, popTime, invisibleMs, reviveQueueId, flag, queueId, queueOffset, popKey];
  if (fields.length > 9 || brokerName === undefined || brokerName === "") return undefined;
  if (!numbers.every((field): field is string => field !== undefined && NUMBER.test(field))) return undefined;
  const poppedFrom = FLAGS[Number(flag)];
  if (poppedFrom === undefined) return undefined;
  return {
    startOffset: Number(startOffset),
    popTime: Number(popTime),
    invisibleMs: Number(invisibleMs),
    reviveQueueId: Number(reviveQueueId),
    poppedFrom,
    brokerName,
    queueId: Number(queueId),
    queueOffset: Number(queueOffset),
    popKey: Number(popKey),
  };
}
