/**
 * How a call of a listener ends, in words that each kind of member translates into its own.
 *
 * - `"soon"`: with success, but not within the call.
 * - `"partly"`: the first message of the call is consumed, the others failed.
 * - `"bury"`: the messages are to go to the dead letters.
 * - `"hold"`: it goes on until a command ends it, or for ever.
 */
export const OUTCOMES = [
  "success",
  "soon",
  "fail",
  "throw",
  "null",
  "commit",
  "rollback",
  "partly",
  "bury",
  "hold",
] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** What a listener returned or threw, and what it had written into its context by then. */
export interface Ended {
  readonly result: unknown;
  readonly hasThrown: boolean;
  readonly autoCommit?: boolean;
  readonly suspendMs?: number;
  readonly ackIndex?: number;
  readonly delayLevel?: number;
}
