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

/** A stored message as clients get it: its record as it is, with what the broker stamps on each. */
export function encodeView(message: StoredMessageView, { topic, host, clusterName }: ViewPlace): Buffer {
  const record = message.toRetriedRecord(message.storedProperties, message.storedReconsumeTimes);
  const { queueId, queueOffset, commitLogOffset, storeTimestamp } = message;
  const { flag, sysFlag, bornTimestamp, reconsumeTimes, uniqueId, body } = record;
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
