import { isMqError, MqError, type MqErrorCode } from "../errors.js";
import { describeThrown } from "../thrown.js";

/** What a consumer reports of work in the background that failed and is tried again. `code` is for a cause that has none. */
export function backgroundError(what: string, cause: unknown, code: MqErrorCode): MqError {
  const text = `${what}: ${describeThrown(cause)}`;
  return isMqError(cause)
    ? new MqError(cause.code, text, { cause, responseCode: cause.responseCode })
    : new MqError(code, text, { cause });
}
