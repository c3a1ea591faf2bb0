// What every process of the first workloads does: it sends, and consumes in some groups, failing now and then.

import { setTimeout as pause } from "node:timers/promises";
import { allocateAveragely } from "../../../../dist/esm/index.js";
import { nameOf, sendUntilStopped } from "./sending.mjs";

export const TOPIC = "jobs";
/** The n-th retry waits for entry n + 2. */
export const RETRY_DELAYS_MS = [1, 1, 20, 40, 60];
const MAX_RETRIES = 3;

/** @param settings - of the groups. */
export async function setUpTraffic(mq, groups, settings = {}) {
  await createOwnTable(mq);
  await mq.admin.createTopic(TOPIC);
  for (const group of groups)
    await mq.admin.createGroup(group, { retryPolicy: { type: "customized", delaysMs: RETRY_DELAYS_MS }, ...settings });
}

/** An application's own statements meet the locks of others. */
async function createOwnTable({ database }) {
  for (;;) {
    try {
      database.exec("CREATE TABLE IF NOT EXISTS crash_row (name TEXT PRIMARY KEY) STRICT");
      return;
    } catch (error) {
      if (error.code !== "SQLITE_BUSY") throw error;
      await pause(5);
    }
  }
}

/**
 * @param groups - of this process: `{ group, instanceName, orderly, start }` for each, with an instance name where it is broadcasting, and `start(context, group)` where
 * it is not to be a push consumer; `seen(message)` is called before a message is consumed.
 * @param send - sends until it is told to stop.
 */
export async function workOnTraffic(context, groups, send = () => sendUntilStopped(context, TOPIC)) {
  const { mq, tell, isDraining, stop } = context;
  mq.on("message:stored", ({ messageId, topic, queueId, queueOffset }) =>
    tell("stored", { messageId, topic, queueId, queueOffset }),
  );
  mq.on("message:retried", ({ messageId, group, deliveryAttempt, dueAt }) =>
    tell("retried", { messageId, group, deliveryAttempt, dueAt }),
  );
  mq.on("message:deadLettered", ({ messageId, group, deliveryAttempt }) =>
    tell("dead-lettered", { messageId, group, deliveryAttempt }),
  );
  mq.on("error", ({ code, message }) => tell("failing", { code, message }));
  for (const each of groups) await (each.start ?? startConsumer)(context, each);
  tell("ready");
  if (!isDraining) await send();
  else if (!stop.aborted) await new Promise((resolve) => stop.addEventListener("abort", resolve, { once: true }));
}

async function startConsumer({ mq, tell, chance }, { group, instanceName, orderly = false, seen }) {
  const isBroadcasting = instanceName !== undefined;
  const consumer = mq.pushConsumer({
    group,
    instanceName,
    messageModel: isBroadcasting ? "broadcasting" : "clustering",
    subscriptions: { [TOPIC]: "*" },
    consumeFromWhere: "first-offset",
    maxReconsumeTimes: MAX_RETRIES,
    consumeConcurrency: 8,
    orderly,
    suspendCurrentQueueTimeMs: 10,
    allocateMessageQueueStrategy: telling(tell, group),
    listener: async (message, { clientId }) => {
      // What the broker's events say of the message before is told first.
      await Promise.resolve();
      const { messageId, queueId, queueOffset, deliveryAttempt } = message;
      const what = { group, clientId, messageId, deliveryAttempt };
      tell("delivered", { ...what, name: nameOf(message.text()), queueId, queueOffset });
      seen?.(message);
      // In order there is one call a queue at a time.
      if (chance.oneIn(orderly ? 8 : 2)) await pause(chance.below(orderly ? 5 : 20));
      const result = isBroadcasting ? "success" : resultOf(message);
      tell("returned", { ...what, result });
      if (result === "throw") throw new Error("fails on purpose");
      return orderly && result === "retry" ? "suspend" : result;
    },
  });
  await consumer.start();
}

/** How queues are shared, told before one is given up: from there on somebody else may have it. */
export function telling(tell, group) {
  return (...given) => {
    tell("sharing", { group, clientId: given[1] });
    return allocateAveragely(...given);
  };
}

/** By its name alone, so that all attempts agree: of ten messages one fails once or twice, of thirty one always. */
export function resultOf(message) {
  const name = nameOf(message.text());
  if (failsAlways(name)) return "throw";
  const number = numberOf(name);
  const failures = number % 10 !== 3 ? 0 : number % 20 === 3 ? 2 : 1;
  return message.deliveryAttempt <= failures ? "retry" : "success";
}

export function failsAlways(name) {
  return numberOf(name) % 30 === 7;
}

export function numberOf(name) {
  return Number(name.split("-").at(-1));
}

/** The dead letters of a group are the messages that fail always: no attempt is forgotten, none counts twice. */
export function* checkTraffic({ messages, deadLetters }) {
  const expected = new Set(messages.map(({ name }) => name).filter(failsAlways));
  for (const [group, letters] of deadLetters) {
    const names = new Set(letters.map(({ name }) => name));
    for (const name of expected) if (!names.has(name)) yield `not buried: group ${group} has no dead letter of ${name}`;
    for (const name of names)
      if (!expected.has(name)) yield `buried alive: group ${group} has a dead letter of ${name}`;
  }
}
