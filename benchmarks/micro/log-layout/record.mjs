/**
 * One message as bytes, the same for every layout that packs:
 *
 *   0 length u32 | 4 tagsCode i32 | 8 bornTimestamp f64 | 16 flag i32 | 20 sysFlag u8 | 21 reconsumeTimes u8
 *   22 propertiesLength u16 | 24 queueKey u32 | 28 idLength u16 | 30 unique id | properties | body
 */
const HEADER_BYTES = 30;
export const BODY_BYTES = 128;
const ID_BYTES = 32;
const PROPERTIES_BYTES = 60;
export const RECORD_BYTES = HEADER_BYTES + ID_BYTES + PROPERTIES_BYTES + BODY_BYTES;

/** Writes all but the body; returns where the body begins. */
export function encodeHead(buffer, position, message) {
  const { uniqueId, properties } = message;
  buffer.writeUInt32LE(HEADER_BYTES + uniqueId.length + properties.length + message.body.length, position);
  buffer.writeInt32LE(message.tagsCode, position + 4);
  buffer.writeDoubleLE(message.bornTimestamp, position + 8);
  buffer.writeInt32LE(message.flag, position + 16);
  buffer[position + 20] = message.sysFlag;
  buffer[position + 21] = message.reconsumeTimes;
  buffer.writeUInt16LE(properties.length, position + 22);
  buffer.writeUInt32LE(message.queueKey, position + 24);
  buffer.writeUInt16LE(uniqueId.length, position + 28);
  const afterId = position + HEADER_BYTES + buffer.latin1Write(uniqueId, position + HEADER_BYTES);
  return afterId + buffer.latin1Write(properties, afterId);
}

/** Returns where the next record begins. */
export function encodeRecord(buffer, position, message) {
  const bodyAt = encodeHead(buffer, position, message);
  buffer.set(message.body, bodyAt);
  return bodyAt + message.body.length;
}

export const recordLength = (buffer, position) => buffer.readUInt32LE(position);
export const recordQueueKey = (buffer, position) => buffer.readUInt32LE(position + 24);

/** `body` is given when it lives in a column of its own; otherwise it is a view into `buffer`. */
export function decodeRecord(buffer, position, queueOffset, body) {
  const idAt = position + HEADER_BYTES;
  const propertiesAt = idAt + buffer.readUInt16LE(position + 28);
  const bodyAt = propertiesAt + buffer.readUInt16LE(position + 22);
  return {
    queueOffset,
    tagsCode: buffer.readInt32LE(position + 4),
    bornTimestamp: buffer.readDoubleLE(position + 8),
    uniqueId: buffer.latin1Slice(idAt, propertiesAt),
    properties: buffer.latin1Slice(propertiesAt, bodyAt),
    body: body ?? buffer.subarray(bodyAt, position + buffer.readUInt32LE(position)),
  };
}

/** Bytes of `records` for the messages of one queue, in a buffer that is reused: bind it before the next call. */
let scratch = Buffer.alloc(512 * 1024);
export function encodeRecords(messages, from, to) {
  let bytes = 0;
  for (let i = from; i < to; i++) bytes += encodedLength(messages[i]);
  if (bytes > scratch.length) scratch = Buffer.alloc(bytes * 2);
  let position = 0;
  for (let i = from; i < to; i++) position = encodeRecord(scratch, position, messages[i]);
  return scratch.subarray(0, position);
}

export const encodedLength = (message) =>
  HEADER_BYTES + message.uniqueId.length + message.properties.length + message.body.length;

const POOL = 4096;
const ALPHABET = "0123456789ABCDEF";

/** A pool larger than any commit here, so that no two messages of one commit share a body. The random is seeded. */
export function messagePool() {
  let state = 0x9e3779b9;
  const random = () => {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x6d2b79f5;
    return (state ^ (state >>> 13)) >>> 0;
  };
  return Array.from({ length: POOL }, () => {
    const body = Buffer.alloc(BODY_BYTES);
    for (let i = 8; i < BODY_BYTES; i++) body[i] = random() & 0xff;
    const uniqueId = Array.from({ length: ID_BYTES }, () => ALPHABET[random() & 15]).join("");
    const properties = `KEYS\u0001order-${random() % 1e6}\u0002TAGS\u0001created\u0002region\u0001EU\u0002`
      .padEnd(PROPERTIES_BYTES - 1, "x")
      .slice(0, PROPERTIES_BYTES - 1)
      .concat("\u0002");
    return {
      queueKey: 0,
      sequence: 0,
      tagsCode: random() | 0,
      bornTimestamp: 1.7e12,
      flag: 0,
      sysFlag: 0,
      reconsumeTimes: 0,
      uniqueId,
      properties,
      body,
    };
  });
}

/** Stamps what makes the message itself: its queue and its place among all messages, which the check reads back. */
export function stamp(pool, sequence, queueKey) {
  const message = pool[sequence & (POOL - 1)];
  message.queueKey = queueKey;
  message.sequence = sequence;
  message.body.writeUInt32LE(sequence, 0);
  return message;
}

export const sequenceOf = (body) => body.readUInt32LE(0);
