import { decodeAddress } from "../../lib/message/ip-address.js";
import type { StoredMessage } from "../../lib/wire/stored-message.js";

const BORN_HOST_V6 = 0x10;
const STORE_HOST_V6 = 0x20;
const MAGIC_V2 = 0xdaa320ab;

/** What a client reads of the messages that it gets, one behind the other. */
export function decodeStoredMessages(bytes: Buffer): readonly (StoredMessage & { readonly bodyCrc: number })[] {
  const messages: (StoredMessage & { readonly bodyCrc: number })[] = [];
  for (let at = 0; at < bytes.length; at += bytes.readInt32BE(at))
    messages.push(decode(bytes.subarray(at, at + bytes.readInt32BE(at))));
  return messages;
}

function decode(bytes: Buffer): StoredMessage & { readonly bodyCrc: number } {
  let at = 0;
  const take = (count: number): Buffer => {
    at += count;
    return bytes.subarray(at - count, at);
  };
  const int = (): number => take(4).readInt32BE(0);
  const long = (): number => Number(take(8).readBigInt64BE(0));
  const host = (isV6: boolean): StoredMessage["bornHost"] => ({
    host: decodeAddress(take(isV6 ? 16 : 4).toString("hex")),
    port: int(),
  });
  int();
  const isV2 = take(4).readUInt32BE(0) === MAGIC_V2;
  const [bodyCrc, queueId, flag, queueOffset, commitLogOffset, sysFlag] = [int(), int(), int(), long(), long(), int()];
  const [bornTimestamp, bornHost] = [long(), host((sysFlag & BORN_HOST_V6) !== 0)];
  const [storeTimestamp, storeHost] = [long(), host((sysFlag & STORE_HOST_V6) !== 0)];
  const [reconsumeTimes, preparedTransactionOffset] = [int(), long()];
  const body = take(int());
  const topic = take(isV2 ? take(2).readUInt16BE(0) : take(1).readUInt8(0)).toString();
  const properties = take(take(2).readUInt16BE(0)).toString();
  return {
    ...{
      bodyCrc,
      topic,
      queueId,
      queueOffset,
      commitLogOffset,
      flag,
      sysFlag: sysFlag & ~(BORN_HOST_V6 | STORE_HOST_V6),
    },
    ...{
      bornTimestamp,
      bornHost,
      storeTimestamp,
      storeHost,
      reconsumeTimes,
      preparedTransactionOffset,
      body,
      properties,
    },
  };
}
