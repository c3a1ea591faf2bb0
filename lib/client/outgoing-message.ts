import type { MessageToAppend } from "../broker/log-appender.js";
import type { PreparedMessage } from "../message/message-validation.js";

/** A checked message with its id, on its way to the broker, which fills in where it was stored. */
export class OutgoingMessage implements MessageToAppend {
  readonly tagsCode: number;
  readonly flag: number;
  readonly sysFlag = 0 as number;
  readonly bornTimestamp: number;
  readonly reconsumeTimes = 0 as number;
  readonly uniqueId: string;
  readonly properties: string;
  readonly propertiesSize: number;
  readonly body: Uint8Array | string;
  readonly bodySize: number;
  queueOffset = -1 as number;
  commitLogOffset = -1 as number;

  constructor(prepared: PreparedMessage, uniqueId: string, bornTimestamp: number) {
    this.tagsCode = prepared.tagsCode;
    this.flag = prepared.flag;
    this.bornTimestamp = bornTimestamp;
    this.uniqueId = uniqueId;
    this.properties = prepared.properties;
    this.propertiesSize = prepared.propertiesSize;
    this.body = prepared.body;
    this.bodySize = prepared.bodySize;
  }
}
