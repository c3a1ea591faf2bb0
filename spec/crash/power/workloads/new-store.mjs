import { OWNED_LEVELS, openOwned } from "./owned-store.mjs";

/** A store that is made, used for one message and closed; then opened again. */
export const newStore = {
  name: "new-store",
  cutsOpening: true,
  levels: OWNED_LEVELS,
  open: openOwned,
  async run(run) {
    for (let round = 0; round < 2; round += 1) {
      const { mq, close } = await run.open();
      await run.send(mq.producer({ group: "senders" }));
      await close();
    }
  },
};
