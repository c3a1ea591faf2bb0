import type { TransactionSettings } from "./broker/check-schedule.js";
import { integerOption, refuseUnknownOptions } from "./options.js";

/** When producers are asked what became of a transaction that they have not ended. */
export interface TransactionOptions {
  /** How long after a half message was stored they are asked for the first time: 1 to 3,600,000 ms. RocketMQ's `transactionTimeOut`. @defaultValue 6_000 */
  readonly timeoutMs?: number | undefined;
  /** How long after that they are asked again, as long as nobody knows: 1 to 3,600,000 ms. RocketMQ's `transactionCheckInterval`. @defaultValue 30_000 */
  readonly checkIntervalMs?: number | undefined;
  /**
   * After so many checks without an answer the message is given up, and lies in the topic `TRANS_CHECK_MAX_TIME_TOPIC`: 1 to 1,000,000. RocketMQ's `transactionCheckMax`.
   * @defaultValue 15
   */
  readonly checkMax?: number | undefined;
}

const MAX_MS = 3_600_000;

export function resolveTransactionOptions(options: TransactionOptions = {}): TransactionSettings {
  refuseUnknownOptions("transaction", options, ["timeoutMs", "checkIntervalMs", "checkMax"]);
  const { timeoutMs, checkIntervalMs, checkMax } = options;
  return {
    timeoutMs: integerOption("transaction.timeoutMs", timeoutMs, { min: 1, max: MAX_MS, fallback: 6_000 }),
    checkIntervalMs: integerOption("transaction.checkIntervalMs", checkIntervalMs, {
      min: 1,
      max: MAX_MS,
      fallback: 30_000,
    }),
    checkMax: integerOption("transaction.checkMax", checkMax, { min: 1, max: 1_000_000, fallback: 15 }),
  };
}
