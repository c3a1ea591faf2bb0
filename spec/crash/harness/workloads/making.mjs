// A group whose listener is `exactlyOnce`: its effect is a row, and for some messages another message.

import { setTimeout as pause } from "node:timers/promises";
import { exactlyOnce } from "../../../../dist/esm/index.js";
import { nameOf } from "./sending.mjs";
import { failsAlways, numberOf, resultOf, TOPIC, telling } from "./traffic.mjs";

export const MAKERS = "makers";
const SENT_ON = "on-";
const MAX_RETRIES = 3;
/** So many messages that are sent one after the other may have one key. They go to several queues, and so to several processes. */
const REPEATS = 3;

/** The key of the application's own; `undefined` for messages that have none. */
export function ownKeyOf(name) {
  const block = Math.floor(numberOf(name) / REPEATS);
  return block % 2 === 0 ? undefined : `${name.slice(0, name.lastIndexOf("-"))} ${block}`;
}

export function keyOf({ name, messageId }) {
  return ownKeyOf(name) ?? messageId;
}

/** @param make - of a listener, with its key. @returns one for both kinds of messages. */
export function withBothKeys(make) {
  const [byId, byOwn] = [make({}), make({ key: (message) => ownKeyOf(nameOf(message.text())) })];
  return (message, context) =>
    ownKeyOf(nameOf(message.text())) === undefined ? byId(message, context) : byOwn(message, context);
}

/** What is sent on is not sent on again. */
function isSentOn(name) {
  return numberOf(name) % 5 === 0 && !name.startsWith(SENT_ON);
}

/** No constraint keeps an effect from being made twice. */
export async function setUpMade({ database }) {
  for (;;) {
    try {
      database.exec("CREATE TABLE IF NOT EXISTS crash_effect (key TEXT, name TEXT) STRICT");
      return;
    } catch (error) {
      if (error.code !== "SQLITE_BUSY") throw error;
      await pause(5);
    }
  }
}

export async function startMaking({ mq, tell, index }, { group }) {
  const producer = mq.producer({ group });
  const insert = mq.database.prepare("INSERT INTO crash_effect (key, name) VALUES (?, ?)");
  const once = withBothKeys((options) =>
    exactlyOnce(mq, options, (message) => {
      const { messageId } = message;
      const name = nameOf(message.text());
      insert.run(keyOf({ name, messageId }), name);
      if (isSentOn(name)) producer.sendSync({ topic: TOPIC, body: `${SENT_ON}${name}` });
      if (resultOf(message) !== "success") throw new Error("fails on purpose");
    }),
  );
  const consumer = mq.pushConsumer({
    group,
    subscriptions: { [TOPIC]: "*" },
    consumeFromWhere: "first-offset",
    maxReconsumeTimes: MAX_RETRIES,
    consumeConcurrency: 8,
    allocateMessageQueueStrategy: telling(tell, group),
    // Where its very promise is returned many effects share a transaction; half of the processes return another one.
    listener: (message, context) => {
      const what = tellDelivered(tell, group, message, context);
      const made = once(message, context);
      const told = made.then(
        () => tell("returned", { ...what, result: "success" }),
        (error) => {
          tell("returned", { ...what, result: "throw" });
          throw error;
        },
      );
      told.catch(() => undefined);
      return index % 2 === 0 ? made : told;
    },
  });
  await consumer.start();
}

export function tellDelivered(tell, group, message, { clientId }) {
  const { messageId, queueId, queueOffset, deliveryAttempt } = message;
  const what = { group, clientId, messageId, deliveryAttempt };
  tell("delivered", { ...what, name: nameOf(message.text()), queueId, queueOffset });
  return what;
}

/** What is there at the end: the effects, and the keys that are done in the group. */
export function readMade({ database }) {
  const effects = database.prepare("SELECT key, name FROM crash_effect ORDER BY rowid").all();
  const keys = database
    .prepare(
      `SELECT CASE typeof(dedup_key) WHEN 'blob' THEN hex(dedup_key) ELSE dedup_key END
       FROM mq_dedup JOIN mq_dedup_group USING (group_number) WHERE consumer_group = ? AND owner IS NULL`,
    )
    .pluck()
    .all(MAKERS);
  return { effects, made: new Set(effects.map(({ key }) => key)), done: new Set(keys) };
}

/** Whether its process returns the very promise of exactlyOnce: then the effect and the acknowledgement are one transaction. */
export function isAcknowledgedWithEffect({ life }) {
  return life.index % 2 === 0;
}

/** Whether a delivery of which a killed process told no more may have been acknowledged. */
export function isMade({ own }, delivery) {
  return own.made.has(keyOf(delivery));
}

/** Each key has its effect once, with all that belongs to it, or its messages are dead letters. */
export function* checkMade({ messages, byName, deadLetters, own: { effects, made, done } }) {
  const makers = new Map();
  for (const { key, name } of effects) {
    if (makers.has(key)) yield `made twice: the effect of key ${key}, by ${makers.get(key)} and ${name}`;
    makers.set(key, name);
    if (failsAlways(name)) yield `not undone: the effect of ${name}, which failed`;
    if (!done.has(key)) yield `half done: the effect of ${name} is there, its key ${key} is not`;
    if (isSentOn(name) && !byName.has(`${SENT_ON}${name}`))
      yield `half done: what the effect of ${name} sent is not stored`;
  }
  for (const key of done) if (!made.has(key)) yield `half done: key ${key} is done, its effect is not there`;
  const names = new Set(effects.map(({ name }) => name));
  const buried = new Set(deadLetters.get(MAKERS).map(({ name }) => name));
  for (const { name, messageId } of messages) {
    if (!made.has(keyOf({ name, messageId })) && !buried.has(name)) yield `not made: the effect of ${name}`;
    if (name.startsWith(SENT_ON) && !names.has(name.slice(SENT_ON.length)))
      yield `half done: ${name} is stored, the effect that sent it is not there`;
  }
  for (const name of buried) if (!failsAlways(name)) yield `buried alive: group ${MAKERS} has a dead letter of ${name}`;
}
