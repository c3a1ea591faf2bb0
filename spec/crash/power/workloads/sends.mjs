import { OWNED_LEVELS, openOwned } from "./owned-store.mjs";

const LARGE = 20_000;

/** Messages alone, many at once, in batches and larger than a page, by two processes of which neither closes the store. */
export const sends = {
  name: "sends",
  lives: 2,
  levels: OWNED_LEVELS,
  open: openOwned,
  async run(run) {
    const { mq } = await run.open();
    const producer = mq.producer({ group: "senders" });
    await run.send(producer);
    await run.send(producer, { sizes: [LARGE] });
    await run.send(producer, { sizes: [30, 40, 50, 60, 70] });
    for (let round = 0; round < 2; round += 1) {
      const together = Array.from({ length: 6 }, (_, place) =>
        run.send(producer, {
          sizes: place === 3 ? [25, 2_500] : [20 + Math.floor(run.random() * 400)],
          queue: place % 4,
        }),
      );
      await Promise.all(together);
    }
  },
};
