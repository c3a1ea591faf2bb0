/** What transactions cost, beside what they are made of: each in rounds that take turns, in one process. */
import { join } from "node:path";
import { openByHand, openOutbox } from "../drivers/outbox.mjs";
import { measured } from "../harness/measured.mjs";
import { median } from "../harness/statistics.mjs";

const WIDTH = 64;
const FILLERS = 1_000;
const [WARM_UPS, ROUNDS] = [2, 10];

/** The seconds of each round: of the first and of the second of two that do the same. */
async function inTurn(first, second) {
  const rounds = [];
  for (let round = -WARM_UPS; round < ROUNDS; round += 1) {
    const took = new Map();
    for (const work of round % 2 === 0 ? [first, second] : [second, first])
      took.set(work, (await measured(work)).seconds);
    if (round >= 0) rounds.push([took.get(first), took.get(second)]);
  }
  return rounds;
}

function figures(rounds, count, share) {
  return {
    messages: count * rounds.length,
    rate: count / median(rounds.map(([seconds]) => seconds)),
    [share]: median(rounds.map(([seconds, others]) => others / seconds)),
  };
}

/** Rows of an application and a message in one transaction, beside the same rows and a row for the message. */
export const outbox = {
  name: "outbox",
  title: "an order, its five lines and a message",
  drivers: ["pocketmq"],
  batch: 1,
  /** In each round. */
  messages: { full: 512, normal: 4_096, smoke: 64 },
  async run({ folder, synchronous, messages, driver }) {
    const ours = await openOutbox(join(folder, "ours.db"), synchronous);
    const byHand = openByHand(join(folder, "by-hand.db"), synchronous);
    const rounds = await inTurn(
      () => ours.sell(messages),
      () => byHand.sell(messages),
    );
    const sold = await ours.close();
    await byHand.close();
    if (sold !== messages * (WARM_UPS + ROUNDS)) throw new Error(`${sold} orders are stored`);
    ours.bodies.verify(driver.storedBodies(join(folder, "ours.db")));
    return figures(rounds, messages, "ofByHand");
  },
};

/** Messages that are stored, run a local transaction that does nothing, and are committed, beside usual sends. */
export const transacted = {
  name: "transacted-64",
  title: "64 concurrent sends in transactions",
  drivers: ["pocketmq"],
  batch: 64,
  messages: { full: 6_400, normal: 25_600, smoke: 320 },
  async run({ driver, folder, synchronous, messages }) {
    const path = join(folder, "store.db");
    const store = await driver.open(path, synchronous);
    const rounds = await inTurn(
      () => store.transacted(messages, WIDTH),
      () => store.concurrent(messages, WIDTH),
    );
    await store.close();
    store.bodies.verify(driver.storedBodies(path));
    return figures(rounds, messages, "ofSends");
  },
};

/** Usual sends to a store in which 1,000,000 half messages wait, of which nobody can say anything, and to one in which none does. */
export const pendingHalves = {
  name: "pending-halves",
  title: "64 concurrent sends beside 1,000,000 half messages",
  drivers: ["pocketmq"],
  batch: 64,
  messages: { full: 1_000_000, normal: 1_000_000, smoke: 2_000 },
  async run({ driver, folder, synchronous, messages }) {
    const [full, empty] = [join(folder, "full.db"), join(folder, "empty.db")];
    const filling = await driver.open(full, "normal");
    await filling.createTopic();
    await filling.leaveOpen(messages, FILLERS);
    await filling.close();
    const [withHalves, without] = [await driver.open(full, synchronous), await driver.open(empty, synchronous)];
    await without.createTopic();
    await Promise.all([withHalves.answerChecks(), without.answerChecks()]);
    const sends = messages / 100;
    const rounds = await inTurn(
      () => withHalves.concurrent(sends, WIDTH),
      () => without.concurrent(sends, WIDTH),
    );
    await Promise.all([withHalves.close(), without.close()]);
    const open = driver.storedHalves(full);
    if (open !== messages) throw new Error(`${messages} half messages were sent, ${open} are stored`);
    return figures(rounds, sends, "ofRateWithout");
  },
};
