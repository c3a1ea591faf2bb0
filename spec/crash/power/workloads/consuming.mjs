import { GROUP, TOPIC } from "../workload-run.mjs";
import { OWNED_LEVELS, openOwned } from "./owned-store.mjs";

/** Retries come after 10 and 30 s. */
const PAST_RETRIES_MS = 60_000;

/** Messages that are consumed, retried and made dead letters while others are sent, and progress that is stored by closing. */
export const consuming = {
  name: "consuming",
  levels: OWNED_LEVELS,
  open: openOwned,
  async run(run) {
    const { mq, close } = await run.open();
    const producer = mq.producer({ group: "senders" });
    const results = new Map();
    const decide = (key, failures) => {
      const choice = results.get(key) ?? run.random();
      results.set(key, choice);
      if (choice < 0.2) return "retry";
      return choice < 0.5 && failures === 0 ? "retry" : "success";
    };
    const consumer = mq.pushConsumer({
      group: GROUP,
      subscriptions: { [TOPIC]: "*" },
      maxReconsumeTimes: 1,
      listener: run.listener(decide),
    });
    await consumer.start();
    for (let round = 0; round < 3; round += 1) {
      await Promise.all(Array.from({ length: 4 }, (_, place) => run.send(producer, { queue: place })));
      await run.clock.advance(round === 1 ? PAST_RETRIES_MS : 100);
    }
    await run.clock.advance(PAST_RETRIES_MS);
    await run.send(producer);
    await close();
  },
};
