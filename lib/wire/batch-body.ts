import { MqError } from "../errors.js";

/** One message of a batch, as its client encoded it. */
export interface BatchedMessage {
  readonly flag: number;
  /** A part of the batch. */
  readonly body: Buffer;
  /** In RocketMQ's encoding. */
  readonly properties: string;
}

/** Size of all, magic code, checksum, flag, size of the body. */
const HEAD_SIZE = 20;
const FLAG = 12;
const BODY_SIZE = 16;
const PROPERTIES_SIZE_SIZE = 2;
/** RocketMQ's `MESSAGE_ILLEGAL`. */
const MESSAGE_ILLEGAL = 13;

/**
 * The messages of a batch: its body has them one behind the other, each as `i32 size · i32 magic · i32 checksum · i32 flag · i32 size, body · i16 size, properties`.
 *
 * Source: RocketMQ 5.3.3, `common/.../message/MessageDecoder.java`, `decodeMessages`.
 *
 * @throws MqError `ERR_MQ_MESSAGE_ILLEGAL` (13) for what is no batch.
 */
export function decodeBatchBody(batch: Buffer): readonly BatchedMessage[] {
  const messages: BatchedMessage[] = [];
  let at = 0;
  while (at < batch.length) {
    const size = batch.length - at < HEAD_SIZE ? 0 : batch.readInt32BE(at);
    if (size < HEAD_SIZE + PROPERTIES_SIZE_SIZE || at + size > batch.length) throw malformed(messages.length);
    messages.push(decodeMessage(batch.subarray(at, at + size), messages.length));
    at += size;
  }
  return messages;
}

function decodeMessage(message: Buffer, index: number): BatchedMessage {
  const bodySize = message.readInt32BE(BODY_SIZE);
  const propertiesAt = HEAD_SIZE + bodySize + PROPERTIES_SIZE_SIZE;
  if (bodySize < 0 || propertiesAt > message.length) throw malformed(index);
  const propertiesSize = message.readInt16BE(propertiesAt - PROPERTIES_SIZE_SIZE);
  if (propertiesSize < 0 || propertiesAt + propertiesSize !== message.length) throw malformed(index);
  return {
    flag: message.readInt32BE(FLAG),
    body: message.subarray(HEAD_SIZE, HEAD_SIZE + bodySize),
    properties: message.toString("utf8", propertiesAt),
  };
}

function malformed(index: number): MqError {
  return new MqError("ERR_MQ_MESSAGE_ILLEGAL", `message ${index} of the batch is not encoded as one`, {
    responseCode: MESSAGE_ILLEGAL,
  });
}
