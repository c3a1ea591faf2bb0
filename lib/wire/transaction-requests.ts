import type { BrokerPort } from "../broker/broker-port.js";
import { isMqError, MqError } from "../errors.js";
import { REQUEST_CODES } from "./request-codes.js";
import { flag, int, long, type RequestRow, requestRow, text } from "./request-header.js";
import { RESPONSE_CODES } from "./response-codes.js";
import { HALF_LOG_OFFSET } from "./send-requests.js";

const HEADER = {
  producerGroup: text("producerGroup"),
  halfOffset: long("tranStateTableOffset"),
  commitLogOffset: long("commitLogOffset"),
  end: int("commitOrRollback"),
  isFromCheck: flag("fromTransactionCheck"),
  transactionId: text("msgId"),
} as const;

/** Source: RocketMQ 5.3.3, `common/.../sysflag/MessageSysFlag.java`. */
const ENDS: ReadonlyMap<number, "commit" | "rollback"> = new Map([
  [8, "commit"],
  [12, "rollback"],
]);

const NOT_KNOWN = 0;

/**
 * How transactions end. One whose end is not known yet is not answered, as in RocketMQ.
 *
 * Source: RocketMQ 5.3.3, `broker/.../processor/EndTransactionProcessor.java`.
 */
export function transactionRequests(port: Pick<BrokerPort, "endTransaction">): readonly RequestRow[] {
  return [
    requestRow(REQUEST_CODES.END_TRANSACTION, HEADER, async (header) => {
      const { producerGroup, halfOffset, commitLogOffset, isFromCheck, transactionId } = header;
      const end = ENDS.get(header.end);
      if (header.end === NOT_KNOWN) return undefined;
      if (end === undefined) throw refused(`commitOrRollback field wrong: ${header.end}`);
      if (commitLogOffset < HALF_LOG_OFFSET) throw refused("Find prepared transaction message failed");
      if (commitLogOffset - HALF_LOG_OFFSET !== halfOffset) throw refused("The transaction state table offset wrong");
      try {
        await port.endTransaction({ producerGroup, transactionId, halfOffset, end, isFromCheck });
      } catch (error) {
        if (!isMqError(error, "ERR_MQ_TRANSACTION") || error.responseCode !== RESPONSE_CODES.SYSTEM_ERROR) throw error;
        // What RocketMQ says is in front of the details.
        throw refused(error.message.split(":")[0] as string);
      }
      return { code: RESPONSE_CODES.SUCCESS, remark: end === "rollback" ? "not set any response code" : undefined };
    }),
  ];
}

function refused(remark: string): MqError {
  return new MqError("ERR_MQ_TRANSACTION", remark, { responseCode: RESPONSE_CODES.SYSTEM_ERROR });
}
