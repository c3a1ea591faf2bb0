// What clients ask, with the fields that those for Java send.

import { javaStringHash } from "../../dist/cjs/message/java-hash.js";

const BORN_AT = 1_700_000_000_000;
/** Of PULL_MESSAGE. */
export const [COMMIT, SUSPEND, SUBSCRIPTION] = [1, 2, 4];
/** Of a send, and of the end of a transaction. */
export const [PREPARED, COMMITTED, ROLLED_BACK] = [4, 8, 12];

export function createTopic(topic, queues, changes = {}) {
  const fields = { topic, defaultTopic: "TBW102", readQueueNums: queues, writeQueueNums: queues, perm: 6 };
  return { code: 17, fields: { ...fields, topicFilterType: "SINGLE_TAG", topicSysFlag: 0, order: false, ...changes } };
}

export const route = (topic) => ({ code: 105, fields: { topic } });

export function properties(values) {
  return Object.entries(values)
    .map(([name, value]) => `${name}\u0001${value}\u0002`)
    .join("");
}

/** An id as clients make them, the same in every run. */
export const uniqueId = (number) => `${number}`.padStart(32, "0");

/** @param values - properties of the message. @param changes - of the header, by its short names. */
export function send(topic, body, values = {}, changes = {}) {
  const usual = { a: "df-producer", b: topic, c: "TBW102", d: 4, e: 0, f: 0, g: BORN_AT, h: 0 };
  return {
    code: 310,
    fields: { ...usual, i: properties(values), j: 0, k: false, m: false, n: "broker-a", ...changes },
    body,
  };
}

/** As clients before RocketMQ 3.1 and those with `sendSmartMsg` off send. */
export function sendPlainly(topic, body, values = {}, changes = {}) {
  const usual = { producerGroup: "df-producer", topic, defaultTopic: "TBW102", defaultTopicQueueNums: 4, queueId: 0 };
  const more = { sysFlag: 0, bornTimestamp: BORN_AT, flag: 0, properties: properties(values), reconsumeTimes: 0 };
  return { code: 10, fields: { ...usual, ...more, unitMode: false, ...changes }, body };
}

/** Messages in one body. */
export function batchOf(messages) {
  return Buffer.concat(
    messages.map(([body, values = {}]) => {
      const [bytes, told] = [Buffer.from(body), Buffer.from(properties(values))];
      const head = Buffer.alloc(20);
      head.writeInt32BE(22 + bytes.length + told.length, 0);
      head.writeInt32BE(bytes.length, 16);
      const size = Buffer.alloc(2);
      size.writeInt16BE(told.length);
      return Buffer.concat([head, bytes, size, told]);
    }),
  );
}

export function sendBatch(topic, body, changes = {}) {
  return { ...send(topic, body, {}, { m: true, ...changes }), code: 320 };
}

export function pull(group, topic, changes = {}) {
  const place = { consumerGroup: group, topic, queueId: 0, queueOffset: 0, maxMsgNums: 32 };
  const usual = { sysFlag: SUBSCRIPTION, commitOffset: 0, suspendTimeoutMillis: 15_000, subscription: "*" };
  return { code: 11, fields: { ...place, ...usual, subVersion: 0, expressionType: "TAG", ...changes } };
}

/** Of a consumer of RocketMQ's client for Java. @param topics - topic → expression. */
export function consumer(group, topics, changes = {}) {
  const subscriptionDataSet = Object.entries(topics).map(([topic, subString]) => {
    const tagsSet = subString === "*" ? [] : subString.split("||").map((tag) => tag.trim());
    const codeSet = tagsSet.map(javaStringHash);
    return { classFilterMode: false, topic, subString, tagsSet, codeSet, subVersion: 7, expressionType: "TAG" };
  });
  const kind = { consumeType: "CONSUME_PASSIVELY", messageModel: "CLUSTERING" };
  return {
    ...{
      groupName: group,
      ...kind,
      consumeFromWhere: "CONSUME_FROM_FIRST_OFFSET",
      subscriptionDataSet,
      unitMode: false,
    },
    ...changes,
  };
}

export function heartbeat(clientID, { consumers = [], producers = [] }) {
  const producerDataSet = producers.map((groupName) => ({ groupName }));
  const body = { clientID, consumerDataSet: consumers, producerDataSet, heartbeatFingerprint: 0, withoutSub: false };
  return { code: 34, fields: {}, body: JSON.stringify(body) };
}

export const unregister = (clientID, groups) => ({ code: 35, fields: { clientID, ...groups } });
export const membersOf = (consumerGroup) => ({ code: 38, fields: { consumerGroup } });

export function checkConfig(clientId, group, subscriptionData) {
  return { code: 46, body: JSON.stringify({ clientId, group, namespace: "", subscriptionData }) };
}

const queue = (topic, queueId) => ({ topic, queueId });
export const progressOf = (consumerGroup, topic, queueId = 0, more = {}) => ({
  code: 14,
  fields: { consumerGroup, ...queue(topic, queueId), ...more },
});
export const setProgress = (consumerGroup, topic, commitOffset, queueId = 0) => ({
  code: 15,
  fields: { consumerGroup, ...queue(topic, queueId), commitOffset },
});
export const searchOffset = (topic, timestamp, more = {}) => ({
  code: 29,
  fields: { ...queue(topic, 0), timestamp, ...more },
});
export const maxOffset = (topic, queueId = 0) => ({ code: 30, fields: queue(topic, queueId) });
export const minOffset = (topic, queueId = 0) => ({ code: 31, fields: queue(topic, queueId) });
export const earliestTime = (topic, queueId = 0) => ({ code: 32, fields: queue(topic, queueId) });

/** @param code - 41 locks, 42 unlocks. @param queues - pairs of topic and queue. */
export function lock(code, consumerGroup, clientId, ...queues) {
  const mqSet = queues.map(([topic, queueId]) => ({ brokerName: "broker-a", queueId, topic }));
  return { code, fields: {}, body: JSON.stringify({ clientId, consumerGroup, mqSet, onlyThisBroker: false }) };
}

export function sendBack(group, topic, offset, changes = {}) {
  const usual = { group, originTopic: topic, offset, delayLevel: 0, originMsgId: uniqueId(1), unitMode: false };
  return { code: 36, fields: { ...usual, maxReconsumeTimes: 16, ...changes } };
}

/** Where the message of a send lies in the log, as clients read it. */
export function placeOf({ fields }) {
  return BigInt(`0x${fields.get("msgId").slice(16)}`);
}

export function endTransaction(sent, commitOrRollback, changes = {}) {
  const id = sent.fields.get("transactionId");
  const place = { tranStateTableOffset: sent.fields.get("queueOffset"), commitLogOffset: placeOf(sent) };
  const more = { commitOrRollback, fromTransactionCheck: false, msgId: id, transactionId: id };
  return { code: 37, fields: { producerGroup: "df-producer", ...place, ...more, ...changes } };
}

/** What a response says. */
export const isFound = ({ code, remark }) => code === 0 && remark === "FOUND";
/** A pull got everything up to there. */
export const reaches = (end) => (response) => isFound(response) && response.fields.get("nextBeginOffset") === `${end}`;
export const succeeded = ({ code }) => code === 0;
