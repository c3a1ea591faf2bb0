/** Stores of messages that were sent days ago, made with PocketMQ's own statements, 1,000 blocks or 4 MiB a commit. */
import { closeSync, fsyncSync, openSync } from "node:fs";
import { defaultGroupConfig } from "../../../dist/cjs/broker/groups.js";
import { prepareStore } from "../../../dist/cjs/broker/prepare-store.js";
import { prepareMessage } from "../../../dist/cjs/message/message-validation.js";
import { recordSize, writeRecord } from "../../../dist/cjs/message/record.js";
import { openOwned } from "../../../dist/cjs/store/open-database.js";
import { Store } from "../../../dist/cjs/store/store.js";
import { BODY_SIZE, bodyOf } from "../../drivers/bodies.mjs";

const UNIQUE_ID = "7F0000010001AABBCCDD001122334400";
const BLOCKS_A_COMMIT = 1_000;
const BYTES_A_COMMIT = 4 * 1024 * 1024;

/**
 * Adds `messages` in blocks of `perBlock`, to `queues` queues of each of `topics` topics in turn.
 *
 * @returns how many it added, and how many of them to the first topic.
 * @param groups - so many have consumed all of each topic.
 * @param behind - one more has consumed nothing of the first topic.
 * @param inHand - so many pops, of the first group, wait to be acknowledged in the first topic.
 */
export async function addMessages(path, { messages, perBlock, topics, queues, groups, behind, inHand }, storedAt) {
  const opened = await openOwned({ path, synchronous: "off", busyTimeoutMs: 50 });
  prepareStore(opened);
  const store = new Store(opened.connection);
  const records = recordsOf(perBlock, storedAt);
  const lanes = listLanes(store, topics, queues);
  let logEnd = Math.max(store.log.end(), store.meta.logFloor());
  const blocks = Math.ceil(messages / perBlock);
  const perCommit = Math.max(1, Math.min(BLOCKS_A_COMMIT, Math.floor(BYTES_A_COMMIT / records.length)));
  for (let from = 0; from < blocks; from += perCommit) {
    opened.connection.exec("BEGIN IMMEDIATE");
    for (let block = from; block < Math.min(from + perCommit, blocks); block += 1) {
      const lane = lanes[block % lanes.length];
      store.log.insert({
        commitLogOffset: logEnd,
        queueKey: lane.queueKey,
        firstOffset: lane.end,
        messageCount: perBlock,
        storeTimestamp: storedAt,
        records,
      });
      logEnd += records.length;
      lane.end += perBlock;
    }
    opened.connection.exec("COMMIT");
  }
  opened.connection.exec("BEGIN IMMEDIATE");
  addReaders(store, lanes, { topics, groups, behind, inHand });
  opened.connection.exec("COMMIT");
  opened.close();
  settle(path);
  const first = lanes.filter(({ topic }) => topic === 0).reduce((sum, { begin, end }) => sum + end - begin, 0);
  return { stored: blocks * perBlock, ofFirstTopic: first };
}

/** What the system has not written yet would be in the first sync of whoever comes next. No connection of this process is open. */
function settle(path) {
  const file = openSync(path, "r+");
  fsyncSync(file);
  closeSync(file);
}

export const topicOf = (topic) => `bench-${topic}`;
const groupOf = (group) => `bench-group-${group}`;

function listLanes(store, topics, queues) {
  const lanes = [];
  for (let topic = 0; topic < topics; topic += 1)
    for (let queueId = 0; queueId < queues; queueId += 1) {
      const known = store.queues.find(topicOf(topic), queueId);
      const { queueKey, floorOffset } = known ?? store.queues.insert(topicOf(topic), queueId);
      const last = store.log.findLastHead(queueKey);
      const end = last === undefined ? floorOffset : last.firstOffset + last.messageCount;
      lanes.push({ topic, queueId, queueKey, begin: end, end });
    }
  return lanes;
}

function addReaders(store, lanes, { topics, groups, behind, inHand }) {
  for (let topic = 0; topic < topics; topic += 1) {
    const [readQueueNums, writeQueueNums] = [lanes.length / topics, lanes.length / topics];
    const config = { topic: topicOf(topic), readQueueNums, writeQueueNums, perm: 6 };
    store.topics.put({ ...config, order: false, messageType: "NORMAL" });
  }
  for (let group = 0; group < groups + (behind ? 1 : 0); group += 1) {
    const isBehind = group === groups;
    store.groups.put(defaultGroupConfig(groupOf(group)));
    for (const { topic, queueId, end } of lanes)
      if (!isBehind || topic === 0)
        store.consumeOffsets.put(groupOf(group), topicOf(topic), queueId, isBehind ? 0 : end);
  }
  const first = lanes.filter(({ topic }) => topic === 0);
  const popTime = Date.now();
  const firstKey = store.meta.reservePopKeys(inHand, 0) - inHand + 1;
  for (let pop = 0; pop < inHand; pop += 1) {
    const { queueKey, end } = first[pop % first.length];
    const startOffset = Math.max(0, end - 1 - Math.floor(pop / first.length));
    store.pops.insert({
      ...{ popKey: firstKey + pop, group: groupOf(0), queueKey, startOffset, popTime, visibleAt: popTime + 3_600_000 },
      ...{ offsets: [startOffset], acknowledged: 0 },
    });
  }
}

/** The same in each block: a record does not say where it lies. */
function recordsOf(count, bornTimestamp) {
  const { properties, propertiesSize } = prepareMessage(
    { topic: topicOf(0), body: bodyOf(0) },
    { maxMessageSize: 2 ** 22 },
  );
  const records = Buffer.alloc(count * recordSize(UNIQUE_ID, propertiesSize, BODY_SIZE));
  const fixed = { tagsCode: 0, flag: 0, sysFlag: 0, bornTimestamp, reconsumeTimes: 0, uniqueId: UNIQUE_ID };
  let at = 0;
  for (let index = 0; index < count; index += 1)
    at = writeRecord(records, at, { ...fixed, properties, propertiesSize, body: bodyOf(index), bodySize: BODY_SIZE });
  return records;
}
