import { isMqError } from "../../../dist/esm/index.js";
import { Ballast, freeBytes } from "./ballast.mjs";
import { comesTrue, StoreUnderTest } from "./store-under-test.mjs";

const MIB = 1024 * 1024;
const GUARDED = { minFreeBytes: 16 * MIB };
const UNGUARDED = { minFreeBytes: 0 };

/** Each on a disk of its own. */
export const SCENARIOS = {
  /** The store fills the disk by itself, and the guard sees it in time. */
  "sends until the guard refuses them": async ({ folder, check, note }) => {
    const ballast = new Ballast(folder);
    for (let index = 0; index < 128; index += 1) ballast.grow();
    const store = new StoreUnderTest(folder, GUARDED);
    await store.open();

    while (await store.send());
    const [{ message, responseCode }] = store.refused.values();
    check(responseCode === 14 && message.startsWith("service not available now"), `refused with ${message}`);
    const left = freeBytes(folder);
    check(left > 8 * MIB, `only ${left} bytes were left for everything else`);
    await consumeAll(store, check, "while sends are refused");
    check((await store.lag()) === 0, "not all acknowledgements are stored while sends are refused");

    ballast.remove();
    check(await comesTrue(() => store.send()), "sends are refused although there is room");
    await finish(store, check);
    note(`${store.sent.size} messages, refused with ${left} bytes left`);
  },

  /** Nobody refuses anything: SQLite finds no room. */
  "sends until SQLite has no room": async ({ folder, check, note }) => {
    const ballast = new Ballast(folder);
    const store = new StoreUnderTest(folder, UNGUARDED);
    await store.open();
    const consumer = await store.startConsumer();
    consumer.suspend();

    // Another one writes at the same time.
    while (await store.send()) ballast.grow();
    ballast.fill();
    while (await store.send());
    const codes = new Set([...store.refused.values()].map(({ cause }) => cause?.code));
    check(codes.has("SQLITE_FULL"), `SQLite did not say that it is full but ${[...codes]}`);
    consumer.resume();
    await deliverAll(store, check);
    const lagWhileFull = await store.lag();

    ballast.remove();
    check(await comesTrue(() => store.send(), 1_000), "the next send does not find the room");
    check(await comesTrue(() => store.isConsumed, 30_000), "not everything is consumed once there is room");
    await finish(store, check);
    note(
      `${store.sent.size} messages; ${lagWhileFull} acknowledgements had to wait for room; SQLite said ${[...codes]}`,
    );
    note(`${store.errors.length} failures in the background were reported`);
  },

  /** Faster than the guard looks; then it refuses what cannot be stored anyway. Closing the broker and opening another one there changes nothing. */
  "another file fills the disk to the brim": async ({ folder, check, note }) => {
    const ballast = new Ballast(folder);
    const store = new StoreUnderTest(folder, GUARDED);
    await store.open();
    (await store.startConsumer()).suspend();
    for (let round = 0; round < 10; round += 1) await store.send();

    ballast.fill();
    while (await store.send());
    const attempt = await store.send();
    const last = [...store.refused.values()].at(-1);
    check(!attempt && last.message.startsWith("service not available now"), `not refused but ${last.message}`);
    check((await store.stored()).length === store.sent.size, "not everything can be read on a full disk");
    const closing = await refusalOf(() => store.mq.close());
    await store.open();
    check(!(await store.send()), "a store that was opened on a full disk takes a send");
    // A member's place in its group is a row, for which there may be no room.
    const started = await refusalOf(() => store.startConsumer());
    if (started === undefined) await deliverAll(store, check);
    note(`on the full disk: closing ${closing ?? "succeeds"}; starting a consumer ${started ?? "succeeds"}`);

    ballast.remove();
    check(await comesTrue(() => store.send()), "sends are refused although there is room");
    if (started !== undefined) await store.startConsumer();
    check(await comesTrue(() => store.isConsumed, 30_000), "not everything is consumed once there is room");
    await finish(store, check);
    note(`${store.sent.size} messages`);
  },
};

async function consumeAll(store, check, when) {
  await store.startConsumer();
  check(await comesTrue(() => store.isConsumed, 30_000), `not everything is consumed ${when}`);
  await comesTrue(async () => (await store.lag()) === 0, 5_000);
}

/** What fails is not to come again before there is room for its copy. */
async function deliverAll(store, check) {
  const isOnce = () => [...store.sent].every((name) => store.consumed.has(name));
  check(await comesTrue(isOnce, 30_000), "not everything is delivered on a full disk");
}

/** What it fails with for want of room, if it does. */
async function refusalOf(work) {
  try {
    await work();
  } catch (error) {
    if (!isMqError(error, "ERR_MQ_SERVICE_NOT_AVAILABLE")) throw error;
    return error.message;
  }
}

async function finish(store, check) {
  check(await comesTrue(async () => store.isConsumed && (await store.lag()) === 0), "something is not acknowledged");
  const told = store.events.join(", ");
  check(/^(disk:full, disk:recovered(, |$))+$/.test(told), `it was told: ${told}`);
  for (const problem of await store.problems()) check(false, problem);
  await store.mq.close();
  await store.open();
  for (const problem of await store.problems()) check(false, `after opening again: ${problem}`);
  check((await store.lag()) === 0, "after opening again something is not acknowledged");
  await store.mq.close();
}
