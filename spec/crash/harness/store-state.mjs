// What is in a store, read by a broker of the parent's own.

import { openBroker } from "../../../dist/esm/index.js";
import { silence } from "./silence.mjs";
import { nameOf } from "./workloads/sending.mjs";

const PAGE = 1_024;

/** Opens the store as any process would, and makes it what the workload needs, should nobody have done so. */
export async function openStore({ open = openBroker, setUp }, path, { synchronous = "normal", logger = silence } = {}) {
  const mq = await open({ path, synchronous, logger });
  await setUp(mq);
  return mq;
}

export async function closeStore({ closed }, mq) {
  await mq.close();
  closed?.(mq);
}

/** What SQLite and the library find wrong in it. */
export async function findDamage(mq) {
  const integrity = mq.database.pragma("integrity_check", { simple: true });
  const { problems } = await mq.admin.checkStore();
  return [
    ...(integrity === "ok" ? [] : [`integrity_check: ${integrity}`]),
    ...problems.map((text) => `checkStore: ${text}`),
  ];
}

/** Progress in the topic, as `HistoryRules.offsets` takes it. @param clientIdOf - of an instance name. */
export async function readOffsets(mq, { topic, groups, isPopping = false, isOrderly = false }, clientIdOf) {
  const offsets = [];
  // An offset that passes what is received says nothing of what is acknowledged.
  for (const group of isPopping && !isOrderly ? [] : groups) {
    const { queues } = await mq.admin.consumeStats(group, topic);
    for (const { queue, consumerOffset } of queues)
      offsets.push({ group, topic, queueId: queue.queueId, nextOffset: consumerOffset });
  }
  for (const { instance, clientId = clientIdOf(instance), ...offset } of readInstanceOffsets(mq, topic))
    if (clientId !== undefined) offsets.push({ ...offset, clientId, topic });
  const at = Date.now();
  return offsets.map((offset) => ({ ...offset, at }));
}

function readInstanceOffsets(mq, topic) {
  return mq.database
    .prepare(
      `SELECT consumer_group AS "group", instance_name AS instance, queue_id AS queueId, next_offset AS nextOffset
       FROM mq_broadcast_offset WHERE topic = ?`,
    )
    .all(topic);
}

/** What is still to be consumed, as texts; none: all groups are done. */
export async function findUndone(mq, { topic, groups, broadcasting, isPopping = false }) {
  const undone = [];
  const due = mq.database.prepare("SELECT count(*) FROM mq_due").pluck().get();
  if (due > 0) undone.push(`${due} blocks are put off`);
  const halves = mq.database.prepare("SELECT count(*) FROM mq_half").pluck().get();
  if (halves > 0) undone.push(`${halves} transactions are open`);
  for (const group of groups) {
    const { lag: known, inflight } = await mq.admin.consumeStats(group);
    // A group that has not begun is not known to consume the topic.
    const { lag: ofTopic } = await mq.admin.consumeStats(group, topic);
    const lag = Math.max(known, ofTopic);
    if (lag > 0) undone.push(`group ${group} has not consumed ${lag} messages`);
    if (isPopping && inflight > 0) undone.push(`group ${group} has ${inflight} messages in hand`);
  }
  const stats = await mq.admin.topicStats(topic);
  const total = stats.reduce((sum, { maxOffset }) => sum + maxOffset, 0);
  const offsets = readInstanceOffsets(mq, topic);
  for (const { group, instances } of broadcasting) {
    for (const instance of instances) {
      const own = offsets.filter((offset) => offset.group === group && offset.instance === instance);
      const done = own.reduce((sum, { nextOffset }) => sum + nextOffset, 0);
      if (done < total) undone.push(`instance ${instance} of group ${group} has not consumed ${total - done} messages`);
    }
  }
  return undone;
}

/** Every message of the topic, queue by queue; of a topic that does not exist none. */
export async function listTopic(mq, topic) {
  const exists = (await mq.admin.listTopics({ system: true })).some((known) => known.topic === topic);
  if (!exists) return [];
  const listed = [];
  for (const { queue, maxOffset } of await mq.admin.topicStats(topic)) {
    for (let offset = 0; offset < maxOffset; offset += PAGE) {
      for (const message of await mq.admin.browse(queue, offset, PAGE)) {
        const { messageId, queueId, queueOffset, storeTimestamp, reconsumeTimes } = message;
        listed.push({ name: nameOf(message.text()), messageId, queueId, queueOffset, storeTimestamp, reconsumeTimes });
      }
    }
  }
  return listed;
}
