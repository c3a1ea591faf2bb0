/** Whose defaults and quirks a broker has; PROFILES.md says each difference. */
export type ProfileName = "embedded" | "rocketmq";

/** Everything in which the two profiles differ. */
export interface Profile {
  readonly name: ProfileName;
  /**
   * Whether a message that was put off still has `DELAY`, `REAL_TOPIC` and `REAL_QID` among its properties when it is delivered, and a dead letter of an orderly consumer
   * `DELAY`, `RECONSUME_TIME` and `MAX_RECONSUME_TIMES`.
   */
  readonly keepsDelayProperties: boolean;
  /**
   * To how many milliseconds the time of a timer is rounded up. Delay levels are exact in both profiles.
   */
  readonly timerPrecisionMs: number;
  /** Whether timers can be recalled unless the broker's `recallMessageEnable` says otherwise. */
  readonly recallMessageEnable: boolean;
  /** Whether messages that a group has not consumed stay, however old they are, unless the broker's `retention.keepUnconsumed` says otherwise. */
  readonly keepUnconsumed: boolean;
  /** Whether an hour of deleting in which nobody had the store open is made up for when it is opened. */
  readonly catchesUpRetention: boolean;
  /** How many bytes sends leave free on the disk, unless `retention.minFreeBytes` says otherwise. */
  readonly minFreeBytes: number;
  /** Above how many percent of the disk in use old messages are deleted at any hour, unless `retention.diskMaxUsedSpaceRatio` says otherwise. */
  readonly diskMaxUsedSpaceRatio: number;
  /** Whether messages are deleted that are not old enough, and sends refused, by the share of the disk that is in use. */
  readonly hasDiskSteps: boolean;
  /** Whether `RETRY_TOPIC` of a dead letter of a simple consumer names the retry topic that it was popped from last. */
  readonly keepsPopRetryTopic: boolean;
  /** Whether a message that an orderly group received behind one that it did not acknowledge has used up an attempt, too. */
  readonly countsAttemptsBehind: boolean;
  /** Whether half messages are checked in rounds, each counted that is looked at, or each at its own time, and only while a producer of its group lives. */
  readonly checksInRounds: boolean;
  /** Whether a message of a transaction has `REAL_TOPIC`, `REAL_QID`, `__transactionId__` and what its checks added among its properties. */
  readonly keepsTransactionProperties: boolean;
  /** Whether an end of a transaction that has ended is refused, and one that comes after the time that the message says itself. */
  readonly refusesLateEnds: boolean;
}

export const PROFILES: Readonly<Record<ProfileName, Profile>> = {
  embedded: {
    name: "embedded",
    keepsDelayProperties: false,
    timerPrecisionMs: 1,
    recallMessageEnable: true,
    keepUnconsumed: true,
    catchesUpRetention: true,
    minFreeBytes: 64 * 1024 * 1024,
    diskMaxUsedSpaceRatio: 100,
    hasDiskSteps: false,
    keepsPopRetryTopic: false,
    countsAttemptsBehind: false,
    checksInRounds: false,
    keepsTransactionProperties: false,
    refusesLateEnds: false,
  },
  rocketmq: {
    name: "rocketmq",
    keepsDelayProperties: true,
    timerPrecisionMs: 1_000,
    recallMessageEnable: false,
    keepUnconsumed: false,
    catchesUpRetention: false,
    minFreeBytes: 0,
    diskMaxUsedSpaceRatio: 75,
    hasDiskSteps: true,
    keepsPopRetryTopic: true,
    countsAttemptsBehind: true,
    checksInRounds: true,
    keepsTransactionProperties: true,
    refusesLateEnds: true,
  },
};
