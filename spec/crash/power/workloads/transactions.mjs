import { keyOf } from "../bodies.mjs";
import { OWNED_LEVELS, openOwned } from "./owned-store.mjs";

/** Longer than until everything was asked for that is left. */
const PAST_CHECKS_MS = 10_000;

/**
 * Half messages, each with an effect of the application's in the same file that is committed by itself, by two processes: the first ends most of them and does not
 * close the store, the second answers checks of those that are left.
 */
export const transactions = {
  name: "transactions",
  lives: 2,
  levels: OWNED_LEVELS,
  async open(place) {
    const opened = await openOwned(place);
    opened.mq.database.exec("CREATE TABLE IF NOT EXISTS placed (key TEXT PRIMARY KEY) STRICT");
    return opened;
  },
  rows: (database) => database.prepare("SELECT key FROM placed").pluck().all(),
  run: (run) => (run.life === 0 ? sendInTransactions(run) : answerChecks(run)),
};

async function sendInTransactions(run) {
  const { mq } = await run.open();
  const insert = mq.database.prepare("INSERT INTO placed VALUES (?)");
  /** Makes the effect or does not; what it says of it may be nothing. */
  const execute = (message) => {
    const choice = run.random();
    if (choice < 0.7) insert.run(keyOf(message.text()));
    if (choice > 0.5 && choice < 0.85) return "unknown";
    return choice < 0.7 ? "commit" : "rollback";
  };
  const producer = mq.transactionProducer({
    group: "transactors",
    executeLocalTransaction: execute,
    checkLocalTransaction: () => "unknown",
  });
  await producer.start();
  const sendOne = async (size) => {
    const { unit, messages } = run.beginTransacted(size);
    const { localTransactionState } = await producer.sendInTransaction(messages[0]);
    if (localTransactionState === "commit") run.stored(unit);
    if (localTransactionState === "rollback") run.undone(unit);
  };
  const beginOne = async () => {
    const { unit, messages } = run.beginTransacted(30);
    const transaction = producer.beginTransaction();
    await transaction.send(messages[0]);
    insert.run(keyOf(messages[0].body));
    await transaction.commit();
    run.stored(unit);
  };
  await sendOne(20);
  await beginOne();
  for (let round = 0; round < 3; round += 1) {
    await Promise.all([sendOne(25), sendOne(5_000), run.send(producer), sendOne(40)]);
    await beginOne();
  }
}

async function answerChecks(run) {
  const { mq, close } = await run.open();
  const find = mq.database.prepare("SELECT 1 FROM placed WHERE key = ?").pluck();
  const units = new Map();
  mq.on("transaction:resolved", ({ transactionId, resolution }) => {
    const unit = units.get(transactionId);
    if (resolution === "commit") run.stored(unit);
    else run.undone(unit);
  });
  const producer = mq.transactionProducer({
    group: "transactors",
    checkLocalTransaction: (message) => {
      const key = keyOf(message.text());
      units.set(message.transactionId, run.unitOf(key));
      return find.get(key) === 1 ? "commit" : "rollback";
    },
  });
  await producer.start();
  await run.clock.advance(PAST_CHECKS_MS);
  await run.send(producer);
  await close();
}
