import type { FaultTrial, TrialOptions } from "./fault-trial.js";

/** Something that a fault may hit: a call of a user's, or what the broker does by itself. */
export interface Operation extends TrialOptions {
  /** Bodies of messages that are dead letters in the end. All others but those below are consumed then. */
  readonly dead?: readonly string[];
  /** The same of messages whose transactions are given up. */
  readonly givenUp?: readonly string[];
  /** The same of messages whose transactions are rolled back. */
  readonly rolledBack?: readonly string[];
  /** It cannot wait for another connection's lock. */
  readonly isSynchronous?: boolean;
  /** It commits nothing. */
  readonly isReading?: boolean;
  /** The tables are as they were when its calls fail, and as they are without a fault when all of them succeed. */
  readonly isWhole?: boolean;
  /** Nobody is told how it ended. */
  readonly isUnheard?: boolean;
  /** It opens the broker; what comes before has none. */
  readonly isOpening?: boolean;
  /** What was not acknowledged in the store when the consumer closed comes again. */
  readonly mayRepeat?: boolean;
  /** What comes before, on a connection that works. */
  readonly prepare?: (trial: FaultTrial) => unknown;
  /** A fault hits a call of the driver in here or in the 60 ms after it. */
  readonly act: (trial: FaultTrial) => unknown;
  /** What else is wrong after it. */
  readonly problems?: (trial: FaultTrial) => readonly string[];
  /** What else is wrong in the end. */
  readonly outcome?: (trial: FaultTrial) => readonly string[];
  /** What else should have been done by the time at which it is tried again, unless the store stopped. */
  readonly overdue?: (trial: FaultTrial) => readonly string[];
}

/** Operations of one kind by what they are. */
export interface Workload {
  readonly [name: string]: CoveringOperation;
}

export interface CoveringOperation {
  /** Members of the public API as `Admin.createTopic`, or tasks of `BACKGROUND_TASKS`. */
  readonly covers: readonly string[];
  /** One for each trial. */
  readonly make: () => Operation;
}
