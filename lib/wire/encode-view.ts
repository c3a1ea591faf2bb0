import type { StoredMessageView } from "../message/message-view.js";
import { encodeDecoded, PROPERTY } from "../message/properties.js";
import { encodeStoredMessage, type MessageHost } from "./stored-message.js";

export interface ViewPlace {
  /** Where it lies, or is to. */
  readonly topic: string;
  /** Where the client reaches the broker. Of the sender's address nothing is stored: it is shown this one. */
  readonly host: MessageHost;
  readonly clusterName: string;
}

/** Bits: what became of a transaction. Source: RocketMQ 5.3.3, `common/.../sysflag/MessageSysFlag.java`. */
const TRANSACTION = { MASK: 12, PREPARED: 4 } as const;

/** A stored message as clients get it: its record as it is, with what the broker stamps on each. */
export function encodeView(message: StoredMessageView, { topic, host, clusterName }: ViewPlace): Buffer {
  const record = message.toRetriedRecord(message.storedProperties, message.storedReconsumeTimes);
  const { queueId, queueOffset, commitLogOffset, storeTimestamp } = message;
  const { flag, bornTimestamp, reconsumeTimes, uniqueId, body } = record;
  // RocketMQ takes the bit of a half message away before it stores it.
  const isHalf = (record.sysFlag & TRANSACTION.MASK) === TRANSACTION.PREPARED;
  const sysFlag = isHalf ? record.sysFlag & ~TRANSACTION.MASK : record.sysFlag;
  const stamped = [
    [PROPERTY.UNIQ_KEY, uniqueId],
    [PROPERTY.MSG_REGION, "DefaultRegion"],
    [PROPERTY.TRACE_ON, "true"],
    [PROPERTY.CLUSTER, clusterName],
  ] as const;
  return encodeStoredMessage({
    ...{ topic, queueId, queueOffset, commitLogOffset, flag, sysFlag, bornTimestamp, storeTimestamp, reconsumeTimes },
    ...{ bornHost: host, storeHost: host, preparedTransactionOffset: 0 },
    body: Buffer.from(body as Uint8Array),
    properties: record.properties + encodeDecoded(stamped),
  });
}
