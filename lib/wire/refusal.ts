import { isMqError } from "../errors.js";
import { RESPONSE_CODES } from "./response-codes.js";

/** Why a request was refused. */
export interface Refusal {
  readonly code: number;
  readonly remark: string;
}

/** Response codes from here on are those of clients: what they throw by themselves, as they do for those below 0. */
const FIRST_CLIENT_CODE = 10_000;

/** What a client is told of an error; `undefined` for what is no answer of the broker's but a fault. */
export function refusalOf(error: unknown): Refusal | undefined {
  if (!isMqError(error)) return undefined;
  const { responseCode: code, message: remark } = error;
  // RocketMQ's broker says so when a message could not be stored in time, and its clients then try another one, or this one again.
  if (isMqError(error, "ERR_MQ_TIMEOUT")) return { code: RESPONSE_CODES.SYSTEM_BUSY, remark };
  const isOfBroker = code !== undefined && code >= 0 && code < FIRST_CLIENT_CODE;
  return { code: isOfBroker ? code : RESPONSE_CODES.SYSTEM_ERROR, remark };
}
