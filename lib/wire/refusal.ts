import { isMqError } from "../errors.js";
import { RESPONSE_CODES } from "./response-codes.js";

/** Why a request was refused. */
export interface Refusal {
  readonly code: number;
  readonly remark: string;
}

/** What a client is told of an error; `undefined` for what is no answer of the broker's but a fault. */
export function refusalOf(error: unknown): Refusal | undefined {
  if (!isMqError(error)) return undefined;
  const { responseCode, message } = error;
  // What RocketMQ's clients throw by themselves has no code on the wire.
  return {
    code: responseCode === undefined || responseCode < 0 ? RESPONSE_CODES.SYSTEM_ERROR : responseCode,
    remark: message,
  };
}
