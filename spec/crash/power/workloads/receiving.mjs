import { GROUP, TOPIC } from "../workload-run.mjs";
import { OWNED_LEVELS, openOwned } from "./owned-store.mjs";

/** The shortest there is. */
const INVISIBLE_MS = 10_000;

/** Messages that are received for a while, and acknowledged one by one or not at all, while others are sent. */
export const receiving = {
  name: "receiving",
  levels: OWNED_LEVELS,
  open: openOwned,
  async run(run) {
    const { mq, close } = await run.open();
    const producer = mq.producer({ group: "senders" });
    const subscriptions = { [TOPIC]: "*" };
    const consumer = mq.simpleConsumer({ group: GROUP, subscriptions, consumeFromWhere: "first-offset", awaitMs: 0 });
    await consumer.start();
    for (let round = 0; round < 4; round += 1) {
      await Promise.all(Array.from({ length: 3 }, (_, place) => run.send(producer, { queue: place })));
      const messages = await consumer.receive({ maxMessages: 32, invisibleDurationMs: INVISIBLE_MS });
      for (const message of messages) {
        const choice = run.random();
        if (choice < 0.5) await run.acknowledge(consumer, message);
        else if (choice < 0.7) await run.giveBack(consumer, message);
        else run.leave(message);
      }
      await run.clock.advance(round % 2 === 0 ? 100 : INVISIBLE_MS + 1_000);
    }
    await close();
  },
};
