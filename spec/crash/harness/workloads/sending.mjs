// Sends in every way that there is, a little at a time, and tells of each before and after.

import { setTimeout as pause } from "node:timers/promises";

/** Undoes an application's transaction. */
class Undone extends Error {}

const WAYS = ["single", "single", "several", "batch", "sync", "transaction", "undone", "put off", "recalled"];
/** Messages are put off for less than this. */
const MAX_DELAY_MS = 400;

/** The name of a message, which no other has: its body up to the first space. */
export function nameOf(body) {
  return body.split(" ", 1)[0];
}

/** Each message begins with its name. */
export async function sendUntilStopped({ mq, tell, chance, index, life, stop }, topic) {
  const producer = mq.producer({ group: "senders" });
  let last = 0;
  const named = (count) => {
    last += count;
    return Array.from({ length: count }, (_, place) => `${index}-${life}-${last - place}`);
  };
  const insertRow = mq.database.prepare("INSERT INTO crash_row (name) VALUES (?)");

  const bodyOf = (name) => (chance.oneIn(25) ? `${name} ${"x".repeat(chance.between(1_000, 40_000))}` : name);

  /** @param send - resolves with the receipts, without those of messages that lie nowhere yet. @param more - to tell of them. */
  const told = async (way, names, send, more = {}) => {
    tell("sending", { way, names, ...more });
    try {
      const receipts = await send(names.map((name) => ({ topic, body: bodyOf(name) })));
      tell("sent", {
        names,
        receipts: receipts.map(({ messageId, queueId, queueOffset }) => ({ messageId, queueId, queueOffset })),
      });
    } catch (error) {
      if (error instanceof Undone) tell("undone", { names });
      else if (error.code === undefined) throw error;
      else tell("refused", { way, names, code: error.code });
    }
  };
  const inTransaction = ([message], isUndone) =>
    mq.transaction(() => {
      insertRow.run(nameOf(message.body));
      const receipt = producer.sendSync(message);
      if (isUndone) throw new Undone();
      return [receipt];
    });
  const putOff = () => {
    const deliverAt = Date.now() + chance.below(MAX_DELAY_MS);
    const send = async ([message]) => {
      await producer.send({ ...message, deliverAt });
      return [];
    };
    return told("put off", named(1), send, { deliverAt });
  };
  const recalled = () =>
    told("recalled", named(1), async ([message]) => {
      const { recallHandle } = await producer.send({ ...message, delayMs: MAX_DELAY_MS });
      try {
        await producer.recall(topic, recallHandle);
      } catch (error) {
        // Refused, too late for example: it is delivered.
        if (error.code === undefined || error.code === "ERR_MQ_OUTCOME_UNKNOWN") throw error;
        return [];
      }
      throw new Undone();
    });
  const ways = {
    "put off": putOff,
    recalled,
    single: () => told("single", named(1), async ([message]) => [await producer.send(message)]),
    several: () =>
      Promise.all(named(12).map((name) => told("single", [name], async ([message]) => [await producer.send(message)]))),
    batch: () => told("batch", named(chance.between(2, 6)), (messages) => producer.sendBatch(messages)),
    sync: () => told("sync", named(1), ([message]) => [producer.sendSync(message)]),
    transaction: () => told("transaction", named(1), (messages) => inTransaction(messages, false)),
    undone: () => told("transaction", named(1), (messages) => inTransaction(messages, true)),
  };
  while (!stop.aborted) {
    await ways[chance.pick(WAYS)]();
    await pause(chance.below(6));
  }
}
