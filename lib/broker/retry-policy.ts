/** How long the failed messages of a group wait. */
export type RetryPolicy =
  /**
   * The n-th retry waits for entry n + 2 of the list, counted from 1, and the last entry from there on: RocketMQ's own list begins with 1 s and
   * 5 s, which no retry uses.
   */
  | { readonly type: "customized"; readonly delaysMs: readonly number[] }
  /** The n-th retry waits `initialMs × multiplier^(n - 1)`, at most `maxMs`. */
  | { readonly type: "exponential"; readonly initialMs: number; readonly maxMs: number; readonly multiplier: number };

/** Source: RocketMQ, `remoting/.../subscription/CustomizedRetryPolicy.java` and `ExponentialRetryPolicy.java`. */
const SKIPPED_DELAYS = 2;
const MAX_EXPONENT = 32;

/** The step of the delay levels for a message that failed so often before: 3, 4, 5, … */
export function retryLevel(reconsumeTimes: number): number {
  return reconsumeTimes + SKIPPED_DELAYS + 1;
}

/** @param reconsumeTimes - how often the message had failed before the failure that it is retried for. */
export function retryDelay(policy: RetryPolicy, reconsumeTimes: number): number {
  if (policy.type === "customized") {
    const { delaysMs } = policy;
    return delaysMs[Math.min(reconsumeTimes + SKIPPED_DELAYS, delaysMs.length - 1)] ?? 0;
  }
  const { initialMs, maxMs, multiplier } = policy;
  return Math.min(Math.floor(initialMs * multiplier ** Math.min(reconsumeTimes, MAX_EXPONENT)), maxMs);
}

/** As it is stored with its group. */
export function formatRetryPolicy(policy: RetryPolicy): string {
  return JSON.stringify(policy);
}

export function parseRetryPolicy(text: string): RetryPolicy {
  return JSON.parse(text) as RetryPolicy;
}
