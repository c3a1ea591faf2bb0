/** What a recall handle says: which message is to be recalled. */
export interface RecallHandle {
  readonly topic: string;
  readonly brokerName: string;
  /** Until when it can be recalled: epoch milliseconds. */
  readonly timestamp: number;
  readonly messageId: string;
}

const VERSION = "v1";

/**
 * `v1 topic brokerName timestamp uniqueId`, in base64url.
 *
 * Source: RocketMQ 5.3.3, `common/.../producer/RecallMessageHandle.java`.
 */
export function formatRecallHandle({ topic, brokerName, timestamp, messageId }: RecallHandle): string {
  const text = `${VERSION} ${topic} ${brokerName} ${timestamp} ${messageId}`;
  return padded(Buffer.from(text).toString("base64url"));
}

/** `undefined`: it is none. */
export function parseRecallHandle(handle: string): RecallHandle | undefined {
  const text = Buffer.from(handle, "base64url").toString();
  // Characters that base64url does not have are passed over by the decoder.
  if (padded(Buffer.from(text).toString("base64url")) !== padded(handle.replace(/=+$/, ""))) return undefined;
  const [version, topic, brokerName, timestamp, messageId, ...more] = text.split(" ");
  const isWhole = topic !== undefined && brokerName !== undefined && messageId !== undefined && more.length === 0;
  if (version !== VERSION || !isWhole || !/^-?\d{1,15}$/.test(timestamp ?? "")) return undefined;
  return { topic, brokerName, timestamp: Number(timestamp), messageId };
}

/** As Java's encoder has it. */
function padded(text: string): string {
  return text.padEnd(Math.ceil(text.length / 4) * 4, "=");
}
