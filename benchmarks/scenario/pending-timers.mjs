/**
 * A store in which 1,000,000 timers wait for their time, and one in which none does, in one process: 64 concurrent sends of usual messages to one and the other in turn.
 * Then what the waiting costs while nobody sends, and what an empty timer costs in the same process once both are closed.
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { measured } from "../harness/measured.mjs";
import { median } from "../harness/statistics.mjs";

/** They share commits, so that filling takes seconds. */
const FILLERS = 1_000;
const FIRST_AFTER_MS = 3_600_000;
const WIDTH = 64;
const [WARM_UPS, ROUNDS] = [4, 20];
const SETTLE_MS = 1_000;
/** As often as a broker looks whether the clock was set: what it costs to be woken differs by machine and hour. */
const TICK_MS = 1_000;

export const pendingTimers = {
  name: "pending-timers",
  title: "64 concurrent sends beside 1,000,000 timers",
  drivers: ["pocketmq"],
  batch: 1,
  /** Timers; a hundredth of it in each round of sends, and as many milliseconds of idling. */
  messages: { full: 1_000_000, normal: 1_000_000, smoke: 2_000 },
  async run({ driver, folder, synchronous, messages }) {
    const [full, empty] = [join(folder, "full.db"), join(folder, "empty.db")];
    const filling = await driver.open(full, "normal");
    await filling.createTopic();
    const first = Date.now() + FIRST_AFTER_MS;
    await filling.putOff(messages, (number) => first + number, FILLERS);
    await filling.close();

    const [withTimers, without] = [await driver.open(full, synchronous), await driver.open(empty, synchronous)];
    await without.createTopic();
    const sends = messages / 100;
    const rounds = [];
    for (let round = -WARM_UPS; round < ROUNDS; round += 1) {
      const took = new Map();
      for (const store of round % 2 === 0 ? [withTimers, without] : [without, withTimers])
        took.set(store, await measured(() => store.concurrent(sends, WIDTH)));
      if (round >= 0) rounds.push([took.get(withTimers).seconds, took.get(without).seconds]);
    }
    await without.close();
    await sleep(SETTLE_MS);
    const idle = await measured(() => sleep(messages / 100));
    await withTimers.close();
    const tick = setInterval(() => undefined, TICK_MS);
    const ticking = await measured(() => sleep(messages / 100));
    clearInterval(tick);

    const pending = driver.storedPending(full);
    if (pending !== messages) throw new Error(`${messages} timers were sent, ${pending} are stored`);
    withTimers.bodies.verify(driver.storedBodies(full));
    without.bodies.verify(driver.storedBodies(empty));
    return {
      messages,
      rate: sends / median(rounds.map(([seconds]) => seconds)),
      ofRateWithout: median(rounds.map(([seconds, secondsWithout]) => secondsWithout / seconds)),
      idleCpuPercent: (100 * idle.cpuSeconds) / idle.seconds,
      tickCpuPercent: (100 * ticking.cpuSeconds) / ticking.seconds,
    };
  },
};
