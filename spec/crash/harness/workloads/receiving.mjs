// Receives messages with a time limit, and acknowledges each, failing now and then.

import { setTimeout as pause } from "node:timers/promises";
import { nameOf } from "./sending.mjs";
import { resultOf, TOPIC } from "./traffic.mjs";

/** The shortest there is. Who has received a message makes it shorter, so that what a killed process had in hand comes again soon. */
const INVISIBLE_MS = 10_000;
const SHORTER_MS = 1_500;
/** Whoever begins so short before the end may be too late. */
const MARGIN_MS = 100;
const MAX_MESSAGES = 8;
const AWAIT_MS = 500;

/**
 * Each delivery is told as that of a client of its own, which is gone when the time of the message is up: `delivered` and `hidden` say when that is.
 *
 * @param context - of the process. @param options - `group`, and whether that is `orderly`.
 */
export async function startReceiving({ mq, tell, chance, stop }, { group, orderly = false }) {
  const consumer = mq.simpleConsumer({
    group,
    subscriptions: { [TOPIC]: "*" },
    consumeFromWhere: "first-offset",
    awaitMs: AWAIT_MS,
  });
  await consumer.start();
  let deliveries = 0;

  /** Whether it is done with, or is to come again at its time. */
  const take = async (message) => {
    const { messageId, queueId, queueOffset, deliveryAttempt } = message;
    deliveries += 1;
    const what = { group, clientId: `${consumer.clientId} ${deliveries}`, messageId, deliveryAttempt };
    const hide = async (durationMs) => {
      await consumer.changeInvisibleDuration(message, durationMs);
      tell("hidden", { ...what, until: endOf(message) });
    };
    tell("delivered", { ...what, name: nameOf(message.text()), queueId, queueOffset, until: endOf(message) });
    if (chance.oneIn(orderly ? 8 : 2)) await pause(chance.below(orderly ? 5 : 20));
    const result = resultOf(message);
    tell("returned", { ...what, result: result === "throw" ? "retry" : result });
    if (result === "success") await consumer.ack(message);
    else await hide(chance.below(3));
    return result === "success";
  };

  /** In order, what lies behind one that failed comes again with it. */
  const takeAll = async (messages) => {
    const failed = new Set();
    for (const message of messages) {
      if (Date.now() + MARGIN_MS >= endOf(message)) continue;
      const isBehind = orderly && failed.has(message.queueId);
      const isDone = isBehind ? await consumer.changeInvisibleDuration(message, 0) : await take(message);
      if (isDone !== true) failed.add(message.queueId);
    }
  };

  const receive = async () => {
    const options = { maxMessages: chance.between(1, MAX_MESSAGES), invisibleDurationMs: INVISIBLE_MS };
    const messages = await consumer.receive(options);
    await Promise.all(messages.map((message) => consumer.changeInvisibleDuration(message, SHORTER_MS)));
    if (orderly) await takeAll(messages);
    else await Promise.all(messages.map((message) => takeAll([message])));
  };

  const run = async () => {
    while (!stop.aborted) {
      try {
        await receive();
      } catch (error) {
        if (error.code === "ERR_MQ_CLOSED") return;
        // Too late, or the store was locked for long: what is not acknowledged comes again.
        if (error.code === undefined) throw error;
        tell("failing", { code: error.code, message: error.message });
      }
    }
  };
  for (let count = 0; count < (orderly ? 1 : 2); count += 1) void run();
}

/** When the time of a message is up, as its broker knows it. */
function endOf({ systemProperties }) {
  const [, popTime, invisibleMs] = systemProperties.POP_CK.split(" ");
  return Number(popTime) + Number(invisibleMs);
}
