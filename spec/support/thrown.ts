import { isMqError, type MqError } from "../../lib/errors.js";

/** The error of ours that `run` throws. */
export function thrown(run: () => unknown): MqError {
  try {
    run();
  } catch (error) {
    if (isMqError(error)) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

/** The response code that `run` throws with; `undefined` when it returns. */
export function refusal(run: () => unknown): number | undefined {
  try {
    run();
  } catch (error) {
    if (isMqError(error) && error.responseCode !== undefined) return error.responseCode;
    throw error;
  }
  return undefined;
}
