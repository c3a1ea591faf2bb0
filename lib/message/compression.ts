import { MqError } from "../errors.js";

/** Of a sys flag: its sender has compressed the body. */
const COMPRESSED = 1;
/** Of a sys flag: how. */
const TYPE_MASK = 0x700;
const NAMES: ReadonlyMap<number, string> = new Map([
  [0x100, "LZ4"],
  [0x200, "ZSTD"],
]);
/** A few bytes may stand for gigabytes: sixteen times what a message may have. */
const MAX_INFLATED_SIZE = 64 * 1024 * 1024;

export function isCompressed(sysFlag: number): boolean {
  return (sysFlag & COMPRESSED) !== 0;
}

/**
 * The body that its sender has compressed with zlib, as clients of RocketMQ do with more than 4 KiB. In-process clients compress nothing.
 *
 * Source: RocketMQ 5.3.3, `common/.../compression/CompressionType.java`, `common/.../message/MessageDecoder.java`, `uncompressByteArray`.
 *
 * @throws MqError `ERR_MQ_MESSAGE_ILLEGAL` for LZ4 and ZSTD, which only clients that ask for them use, for what is damaged, and for more than 64 MiB.
 */
export function inflateBody(body: Buffer, sysFlag: number): Buffer {
  const other = NAMES.get(sysFlag & TYPE_MASK);
  if (other !== undefined) throw illegal(`is compressed with ${other}, of which only RocketMQ's clients know`);
  // Loaded when the first such body is read: it takes 2 ms.
  const { inflateSync } = process.getBuiltinModule("node:zlib");
  try {
    return inflateSync(body, { maxOutputLength: MAX_INFLATED_SIZE });
  } catch (cause) {
    throw illegal(`cannot be inflated: it is damaged, or has more than ${MAX_INFLATED_SIZE} bytes`, cause);
  }
}

function illegal(what: string, cause?: unknown): MqError {
  return new MqError("ERR_MQ_MESSAGE_ILLEGAL", `the body of the message ${what}`, { cause });
}
