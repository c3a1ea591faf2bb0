import { MQ_ERRORS, MqError, type MqErrorCode } from "../errors.js";
import { describe, invalid } from "../options.js";

/** What RocketMQ's brokers answer to sends. */
const CODES: readonly MqErrorCode[] = [
  "ERR_MQ_STORE",
  "ERR_MQ_SYSTEM_BUSY",
  "ERR_MQ_MESSAGE_ILLEGAL",
  "ERR_MQ_SERVICE_NOT_AVAILABLE",
  "ERR_MQ_NO_PERMISSION",
  "ERR_MQ_TOPIC_NOT_FOUND",
  "ERR_MQ_TOO_MANY_REQUESTS",
];

export function sendFault(responseCode: number): MqError {
  const code = CODES.find((candidate) => MQ_ERRORS[candidate].responseCode === responseCode);
  return new MqError(code ?? "ERR_MQ_STORE", `refused by a fault that a test has set, response code ${responseCode}`, {
    responseCode,
  });
}

export function checkResponseCode(responseCode: unknown): number {
  const known = CODES.map((code) => MQ_ERRORS[code].responseCode);
  if (known.some((code) => code === responseCode)) return responseCode as number;
  throw invalid(`failSend: responseCode must be one of ${known.join(", ")}, got ${describe(responseCode)}`);
}
