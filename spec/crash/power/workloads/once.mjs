import { seededChance, systemChance } from "../../../../dist/cjs/time/chance.js";
import { exactlyOnce, idempotent } from "../../../../dist/esm/index.js";
import { silence } from "../../harness/silence.mjs";
import { keyOf } from "../bodies.mjs";
import { GROUP, HANDLERS, TOPIC } from "../workload-run.mjs";
import { OWNED_LEVELS, openOwned } from "./owned-store.mjs";

/** Retries come after 10 s. */
const PAST_RETRIES_MS = 15_000;
const OPTIONS = { key: (message) => keyOf(message.text()) };

/**
 * Messages of which one group makes a row once for each, and sends another message with some, and another group has handlers that run once; both fail now and then. The first process does
 * not close the store, the second goes on with what it left.
 */
export const once = {
  name: "once",
  lives: 2,
  levels: OWNED_LEVELS,
  async open(place) {
    const opened = await openOwned({ logger: silence, ...place });
    opened.mq.database.exec("CREATE TABLE IF NOT EXISTS made (key TEXT PRIMARY KEY) STRICT");
    return opened;
  },
  rows: (database) => database.prepare("SELECT key FROM made").pluck().all(),
  async run(run) {
    // Whoever takes a key has a number that nobody else has; here each run has the same ones.
    systemChance.nextInt = seededChance(run.life + 1).nextInt;
    const { mq, close } = await run.open();
    const producer = mq.producer({ group: "shop" });
    await startMaking(run, mq, producer);
    await startHandling(run, mq);
    await Promise.all([20, 3_000, 30].map((size, queue) => run.send(producer, { sizes: [size], queue })));
    await run.clock.advance(run.life === 0 ? 100 : PAST_RETRIES_MS);
    if (run.life === 1) await close();
  },
};

async function startMaking(run, mq, producer) {
  const insert = mq.database.prepare("INSERT INTO made VALUES (?)");
  const units = new Map();
  const make = exactlyOnce(mq, OPTIONS, (message) => {
    const key = keyOf(message.text());
    const choice = run.random();
    const { unit, rows, messages } = run.beginEffect(key, choice < 0.3 ? [40] : []);
    units.set(key, unit);
    insert.run(rows[0]);
    for (const sent of messages) producer.sendSync(sent);
    const fails = choice > 0.2 && choice < 0.5 && message.reconsumeTimes === 0;
    run.returning(key, fails ? "retry" : "success");
    if (fails) throw new Error("fails on purpose");
  });
  const listener = (message, context) => {
    const made = make(message, context);
    made.then(
      () => run.stored(units.get(keyOf(message.text()))),
      () => run.undone(units.get(keyOf(message.text()))),
    );
    return made;
  };
  await startConsumer(mq, GROUP, listener);
}

async function startHandling(run, mq) {
  const handle = idempotent(mq, OPTIONS, ({ reconsumeTimes }) =>
    run.random() < 0.3 && reconsumeTimes === 0 ? "retry" : "success",
  );
  const listener = async (message, context) => {
    const result = await handle(message, context);
    if (result === "success") run.completed(keyOf(message.text()));
    return result;
  };
  await startConsumer(mq, HANDLERS, listener);
}

async function startConsumer(mq, group, listener) {
  const subscriptions = { [TOPIC]: "*" };
  const consumer = mq.pushConsumer({ group, subscriptions, consumeFromWhere: "first-offset", listener });
  await consumer.start();
}
