import type { Logger } from "./logger.js";
import { describeThrown } from "./thrown.js";

/** Calls a function of the user's that nothing depends on: what it throws, or the promise it returns rejects with, is logged. */
export function callListener(what: string, logger: Logger, listener: unknown, ...values: readonly unknown[]): void {
  const failed = (error: unknown): void => logger.error(`${what} failed: ${describeThrown(error)}`);
  try {
    const result: unknown = Reflect.apply(listener as () => unknown, undefined, [...values]);
    if (typeof result === "object" && result !== null && "then" in result) Promise.resolve(result).catch(failed);
  } catch (error) {
    failed(error);
  }
}
