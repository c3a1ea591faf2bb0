// A group whose listener is `idempotent`: its handler tells when it begins and ends, and takes longer than its lease now and then.

import { setTimeout as pause } from "node:timers/promises";
import { idempotent } from "../../../../dist/esm/index.js";
import { keyOf, tellDelivered, withBothKeys } from "./making.mjs";
import { nameOf } from "./sending.mjs";
import { resultOf, TOPIC, telling } from "./traffic.mjs";

export const HANDLERS = "handlers";
/** Whoever finds a key taken comes again in less, some times. */
const LEASE_MS = 60;
const MAX_RETRIES = 1_000;

export async function startHandling({ mq, tell, chance }, { group }) {
  const handler = async (message, { clientId }) => {
    const { messageId, deliveryAttempt } = message;
    const name = nameOf(message.text());
    const what = { group, clientId, messageId, deliveryAttempt, name, key: keyOf({ name, messageId }) };
    tell("handling", what);
    if (chance.oneIn(20)) await pause(LEASE_MS + chance.below(LEASE_MS));
    else if (chance.oneIn(2)) await pause(chance.below(20));
    // None fails always: what waits for a lease fails as well, and is to have as many attempts as it takes.
    const result = deliveryAttempt > 2 ? "success" : resultOf(message);
    tell("handled", { ...what, result });
    if (result === "throw") throw new Error("fails on purpose");
    return result;
  };
  const once = withBothKeys((options) => idempotent(mq, { ...options, leaseMs: LEASE_MS }, handler));
  const consumer = mq.pushConsumer({
    group,
    subscriptions: { [TOPIC]: "*" },
    consumeFromWhere: "first-offset",
    maxReconsumeTimes: MAX_RETRIES,
    consumeConcurrency: 8,
    allocateMessageQueueStrategy: telling(tell, group),
    listener: async (message, context) => {
      await Promise.resolve();
      const what = tellDelivered(tell, group, message, context);
      const result = await once(message, context).catch((error) => {
        tell("returned", { ...what, result: "throw" });
        throw error;
      });
      tell("returned", { ...what, result: result ?? "success" });
      return result;
    },
  });
  await consumer.start();
}

/** One handler at a time has a key, unless its lease ran out; after one that was successful there is no other. */
export function* checkHandled({ journal, messages, deadLetters }) {
  const runsByKey = collectRuns(journal);
  const keyById = new Map(messages.map(({ name, messageId }) => [messageId, keyOf({ name, messageId })]));
  for (const [key, runs] of runsByKey) {
    for (const [index, run] of runs.entries()) {
      for (const later of runs.slice(index + 1)) {
        if (later.tick > run.completed)
          yield `done again: ${describe(later)}, though that of ${describe(run)} was done`;
        if (run.released > later.tick && later.at < run.leasedUntil)
          yield `at the same time: key ${key} was handled by ${describe(later)}, while ${describe(run)} had it until ${run.leasedUntil}`;
      }
    }
  }
  const done = new Set();
  for (const [key, runs] of runsByKey) if (runs.some(({ result }) => result === "success")) done.add(key);
  for (const [messageId, key] of keyById) if (!done.has(key)) yield `not handled: message ${messageId}, key ${key}`;
  for (const { name } of deadLetters.get(HANDLERS))
    yield `buried alive: group ${HANDLERS} has a dead letter of ${name}`;
}

/**
 * By key, in their order. `leasedUntil`: its lease did not begin before the message was delivered. `released`: told by one that failed; `completed`: that it
 * was successful is stored.
 */
function collectRuns({ entries }) {
  const runsByKey = new Map();
  const delivered = new Map();
  const running = new Map();
  for (const entry of entries) {
    if (entry.group !== HANDLERS) continue;
    const { event, clientId, messageId, deliveryAttempt, at, tick, result } = entry;
    const what = `${clientId} ${messageId} ${deliveryAttempt}`;
    // The same client may get it anew, with the same attempt, while its handler is still at work: a queue that went away and came back.
    if (event === "delivered") delivered.set(what, at);
    if (event === "handling") {
      const never = Number.POSITIVE_INFINITY;
      const leasedUntil = delivered.get(what) + LEASE_MS;
      const run = { ...entry, leasedUntil, released: never, completed: never, result: undefined };
      running.set(what, run);
      runsByKey.set(entry.key, [...(runsByKey.get(entry.key) ?? []), run]);
    }
    const run = running.get(what);
    if (run === undefined) continue;
    if (event === "handled") {
      run.result = result;
      if (result !== "success") run.released = tick;
    }
    if (event === "returned" && result === "success" && run.result === "success") run.completed = tick;
  }
  for (const runs of runsByKey.values()) runs.sort((a, b) => a.tick - b.tick);
  return runsByKey;
}

function describe({ name, clientId, deliveryAttempt, at }) {
  return `${name} (client ${clientId}, attempt ${deliveryAttempt}, at ${at})`;
}
