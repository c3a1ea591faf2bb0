import { crc32 } from "node:zlib";
import { encodeAddress, IPV4_DIGITS } from "../message/ip-address.js";

/** Where a message was sent from, or is stored. */
export interface MessageHost {
  /** IPv4 or IPv6 address. */
  readonly host: string;
  readonly port: number;
}

/** What a client is told of a message. */
export interface StoredMessage {
  readonly topic: string;
  readonly queueId: number;
  readonly queueOffset: number;
  /** By which the client names it, in an offset message id for example. */
  readonly commitLogOffset: number;
  readonly flag: number;
  /** But for the bits that say what the hosts are. */
  readonly sysFlag: number;
  readonly bornTimestamp: number;
  readonly bornHost: MessageHost;
  readonly storeTimestamp: number;
  readonly storeHost: MessageHost;
  readonly reconsumeTimes: number;
  /** Where its half message lay; 0 without one. */
  readonly preparedTransactionOffset: number;
  /** As its sender sent it, perhaps compressed. */
  readonly body: Buffer;
  /** In RocketMQ's encoding. */
  readonly properties: string;
}

/** By the size of the topic's name: clients before 5.1 know the first one only. */
const MAGIC = { V1: 0xdaa320a7, V2: 0xdaa320ab } as const;
const MAX_V1_TOPIC_SIZE = 127;
/** Everything else; in V2 the size of the topic's name takes one byte more. */
const V1_FIXED_SIZE = 83;
const IPV4_SIZE = IPV4_DIGITS / 2;

const BORN_HOST_V6 = 0x10;
const STORE_HOST_V6 = 0x20;
const UINT32 = 2 ** 32;

/**
 * One message as clients get them, many of them one behind the other.
 *
 * Source: RocketMQ 5.3.3, `common/.../message/MessageDecoder.java`, `encode`; `store/.../MessageExtEncoder.java`.
 */
export function encodeStoredMessage(message: StoredMessage): Buffer {
  const { topic, body } = message;
  const [topicName, properties] = [Buffer.from(topic, "utf8"), Buffer.from(message.properties, "utf8")];
  const isV2 = topicName.length > MAX_V1_TOPIC_SIZE;
  const [bornHost, storeHost] = [addressOf(message.bornHost), addressOf(message.storeHost)];
  const fixedSize = V1_FIXED_SIZE + Number(isV2);
  const size = fixedSize + bornHost.length + storeHost.length + topicName.length + body.length + properties.length;
  const writer = new Writer(size);
  writer.int(size);
  writer.int(isV2 ? MAGIC.V2 : MAGIC.V1);
  writer.int(crc32(body) & 0x7fffffff);
  writer.int(message.queueId);
  writer.int(message.flag);
  writer.long(message.queueOffset);
  writer.long(message.commitLogOffset);
  writer.int(message.sysFlag | (isV6(bornHost) ? BORN_HOST_V6 : 0) | (isV6(storeHost) ? STORE_HOST_V6 : 0));
  writer.long(message.bornTimestamp);
  writer.bytes(bornHost);
  writer.int(message.bornHost.port);
  writer.long(message.storeTimestamp);
  writer.bytes(storeHost);
  writer.int(message.storeHost.port);
  writer.int(message.reconsumeTimes);
  writer.long(message.preparedTransactionOffset);
  writer.int(body.length);
  writer.bytes(body);
  if (isV2) writer.short(topicName.length);
  else writer.byte(topicName.length);
  writer.bytes(topicName);
  writer.short(properties.length);
  writer.bytes(properties);
  return writer.written;
}

function addressOf({ host }: MessageHost): Buffer {
  return Buffer.from(encodeAddress(host), "hex");
}

function isV6(address: Buffer): boolean {
  return address.length > IPV4_SIZE;
}

/** Writes on, big-endian. */
class Writer {
  readonly written: Buffer;
  #at = 0;

  constructor(size: number) {
    this.written = Buffer.allocUnsafe(size);
  }

  byte(value: number): void {
    this.#at = this.written.writeUInt8(value, this.#at);
  }

  short(value: number): void {
    this.#at = this.written.writeUInt16BE(value, this.#at);
  }

  int(value: number): void {
    this.#at = this.written.writeInt32BE(value | 0, this.#at);
  }

  /** A safe integer. */
  long(value: number): void {
    this.int(Math.floor(value / UINT32));
    this.int(value % UINT32);
  }

  bytes(value: Uint8Array): void {
    this.written.set(value, this.#at);
    this.#at += value.length;
  }
}
