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

/** In RocketMQ's words. Source: `broker/.../processor/SendMessageProcessor.java`, `handlePutMessageResult`, `diskUtil`. */
export function diskFault(): MqError {
  return new MqError(
    "ERR_MQ_SERVICE_NOT_AVAILABLE",
    "service not available now. It may be caused by one of the following reasons: the broker's disk is full [CL:  1.00 CQ:  1.00 INDEX:  1.00], " +
      "messages are put to the slave, message store has been shut down, etc. Here it is the fault fillDisk of a test",
  );
}

export function checkResponseCode(responseCode: unknown): number {
  const known = CODES.map((code) => MQ_ERRORS[code].responseCode);
  if (known.some((code) => code === responseCode)) return responseCode as number;
  throw invalid(`failSend: responseCode must be one of ${known.join(", ")}, got ${describe(responseCode)}`);
}
