import { OWNED_LEVELS, openOwned } from "./owned-store.mjs";

const SMALL_WAL_PAGES = 8;

/** Checkpoints every few commits, each followed by a WAL that begins again from the front, and one that cuts it to nothing. */
export const checkpoints = {
  name: "checkpoints",
  levels: OWNED_LEVELS,
  open: openOwned,
  async run(run) {
    const { mq } = await run.open();
    mq.database.pragma(`wal_autocheckpoint = ${SMALL_WAL_PAGES}`);
    const producer = mq.producer({ group: "senders" });
    for (let round = 0; round < 9; round += 1) {
      await run.send(producer, { sizes: [200 + Math.floor(run.random() * 6_000)], queue: round % 4 });
      if (round === 5) mq.database.pragma("wal_checkpoint(TRUNCATE)");
    }
  },
};
