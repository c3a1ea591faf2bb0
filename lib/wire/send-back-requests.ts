import type { BrokerPort } from "../broker/broker-port.js";
import { isMqError, MqError } from "../errors.js";
import { noGroupToRetry } from "./broker-remarks.js";
import { REQUEST_CODES } from "./request-codes.js";
import { int, long, optional, type RequestRow, requestRow, text } from "./request-header.js";
import { RESPONSE_CODES } from "./response-codes.js";

const HEADER = {
  commitLogOffset: long("offset"),
  group: text("group"),
  delayLevel: int("delayLevel"),
  maxReconsumeTimes: optional(int("maxReconsumeTimes")),
} as const;

/**
 * Messages that a client could not consume come back: a copy goes to the retry topic of the group, or to its dead letters, by what the client says. Where it was sent back before there is nothing left to do.
 *
 * Source: RocketMQ 5.3.3, `broker/.../processor/AbstractSendMessageProcessor.java`, `consumerSendMsgBack`.
 */
export function sendBackRequests(port: Pick<BrokerPort, "findMessage" | "sendBack">): readonly RequestRow[] {
  return [
    requestRow(REQUEST_CODES.CONSUMER_SEND_MSG_BACK, HEADER, async (header) => {
      const { commitLogOffset, group, delayLevel, maxReconsumeTimes } = header;
      const message = await port.findMessage(commitLogOffset);
      if (message === undefined)
        throw new MqError("ERR_MQ_OFFSET", `look message by offset failed, ${commitLogOffset}`, {
          responseCode: RESPONSE_CODES.SYSTEM_ERROR,
        });
      const request = { group, messages: [message], delayLevel, maxReconsumeTimes, isRemote: true };
      try {
        await new Promise<void>((resolve, reject) => {
          port.sendBack(request, { sentBack: () => resolve(), failed: reject });
        });
      } catch (error) {
        throw isMqError(error, "ERR_MQ_GROUP_NOT_FOUND") ? noGroupToRetry(group) : error;
      }
      return { code: RESPONSE_CODES.SUCCESS };
    }),
  ];
}
