// Processes that send in transactions, with a row of their own, and answer checks from these rows.

import { openBroker } from "../../../../dist/esm/index.js";
import { checkTraffic, setUpTraffic, TOPIC, workOnTraffic } from "./traffic.mjs";
import { checkEffects, setUpEffects, TRANSACTION, Transactor } from "./transacting.mjs";

const GROUPS = ["workers"];

export const transactions = {
  name: "transactions",
  processes: 1,
  isUsual: true,
  isTransacting: true,
  topic: TOPIC,
  groups: GROUPS,
  broadcasting: [],
  open: (options) => openBroker({ ...options, transaction: TRANSACTION }),
  setUp: async (mq) => {
    await setUpTraffic(mq, GROUPS);
    await setUpEffects(mq);
  },
  work: (context) => {
    const transactor = new Transactor(context);
    const groups = [{ start: () => transactor.start() }, ...GROUPS.map((group) => ({ group, seen: transactor.seen }))];
    return workOnTraffic(context, groups, () => transactor.sendUntilStopped());
  },
  *check(end) {
    yield* checkTraffic(end);
    yield* checkEffects(end);
  },
};

/** Any of four processes is asked what became of a transaction of any other. */
export const transactionsCompany = { ...transactions, name: "transactions-company", processes: 4 };

/** Some are stopped for longer than several checks take, and answer those that they were asked before. */
export const transactionsHanging = {
  ...transactionsCompany,
  name: "transactions-hanging",
  isUsual: false,
  hangsMs: 600,
};

/** The same with checks in rounds. */
export const transactionsRounds = {
  ...transactionsCompany,
  name: "transactions-rounds",
  isUsual: false,
  open: (options) =>
    openBroker({
      ...options,
      profile: "rocketmq",
      // The disk of whoever runs this may be fuller than RocketMQ takes.
      retention: { diskMaxUsedSpaceRatio: 100 },
      transaction: TRANSACTION,
    }),
};
