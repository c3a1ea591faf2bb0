// Messages as clients get them.

import { decodeProperties } from "../../dist/cjs/message/properties.js";

const [BORN_HOST_V6, STORE_HOST_V6, MAGIC_V2] = [0x10, 0x20, 0xdaa320ab];

/** Whether these are the bytes of messages, one behind the other, and nothing else. */
export function areMessages(bytes) {
  return bytes.length > 8 && bytes.readUInt32BE(4) >>> 4 === 0xdaa320a && bytes.readInt32BE(0) <= bytes.length;
}

/** Field by field; where they lie and when they were stored is for others to judge. */
export function decodeMessages(bytes) {
  const messages = [];
  for (let at = 0; at < bytes.length; at += bytes.readInt32BE(at))
    messages.push(decode(bytes.subarray(at, at + bytes.readInt32BE(at))));
  return messages;
}

function decode(bytes) {
  let at = 0;
  const take = (count) => {
    at += count;
    return bytes.subarray(at - count, at);
  };
  const int = () => take(4).readInt32BE(0);
  const long = () => Number(take(8).readBigInt64BE(0));
  const host = (isV6) => `${isV6 ? take(16).toString("hex") : [...take(4)].join(".")}:${int()}`;
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
    ...{ bodyCrc, topic, queueId, queueOffset, commitLogOffset, flag, sysFlag, reconsumeTimes },
    ...{ bornTimestamp, bornHost, storeTimestamp, storeHost, preparedTransactionOffset },
    body: body.length > 200 ? `${body.length} bytes` : body.toString("latin1"),
    properties: Object.fromEntries([...decodeProperties(properties)].sort(([a], [b]) => (a < b ? -1 : 1))),
  };
}
