import type { MessageView } from "../../lib/index.js";

/** A message as a fact gives it, in part. */
export interface RecordedMessage {
  readonly properties: Readonly<Record<string, string>>;
  readonly secondsSincePrevious?: number;
}

/** Numbers ids in the order in which they appear; the recorded ones are numbered over a whole fact. */
export function withPlaceholders<T>(value: T): T {
  const ids = new Map<string, string[]>();
  const numbered = (kind: string, id: string): string => {
    const ofKind = ids.get(kind) ?? [];
    ids.set(kind, ofKind);
    if (!ofKind.includes(id)) ofKind.push(id);
    return `<${kind}#${ofKind.indexOf(id) + 1}>`;
  };
  return JSON.parse(
    JSON.stringify(value, (key, part: unknown) => {
      // Of a copy that a broker made it is the offset id of the first message, of one that a client made the unique id.
      const isUnique = ids.get("uniqKey")?.includes(String(part)) === true;
      if (key === "ORIGIN_MESSAGE_ID") return numbered(isUnique ? "uniqKey" : "offsetMsgId", String(part));
      if (key === "offsetMsgId") return numbered("offsetMsgId", String(part));
      if (key === "msgId" || key === "UNIQ_KEY") return numbered("uniqKey", String(part));
      return key === "CONSUME_START_TIME" ? "<ts>" : part;
    }),
  ) as T;
}

/** The fields of RocketMQ's `MessageExt` in their recorded order. */
function toMessageExt(view: MessageView, brokerName: string | null): RecordedMessage {
  const properties = Object.entries({ ...view.properties, ...view.systemProperties });
  return {
    topic: view.topic,
    brokerName,
    queueId: view.queueId,
    queueOffset: view.queueOffset,
    flag: view.flag,
    reconsumeTimes: view.reconsumeTimes,
    msgId: view.messageId,
    offsetMsgId: view.offsetMessageId,
    transactionId: view.transactionId ?? null,
    body: view.text(),
    properties: Object.fromEntries(properties.sort(([a], [b]) => (a < b ? -1 : 1))),
  } as RecordedMessage;
}

/** As a consumer gets it. */
export function delivered(view: MessageView): RecordedMessage {
  return toMessageExt(view, view.brokerName);
}

/** Read raw, where no pull stamps the ends of the queue. */
export function stored(view: MessageView): RecordedMessage {
  const { properties, ...fields } = toMessageExt(view, null);
  const { MIN_OFFSET: _min, MAX_OFFSET: _max, ...asStored } = properties;
  return { ...fields, properties: asStored };
}

/** Without what a `MessageView` does not have or says otherwise. */
export function comparable(recorded: unknown): unknown {
  const absent = ["sysFlag", "preparedTransactionOffset", "secondsSincePrevious"];
  return JSON.parse(JSON.stringify(recorded, (key, value: unknown) => (absent.includes(key) ? undefined : value)));
}
