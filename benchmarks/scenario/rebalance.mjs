/**
 * A group of 64 members in one process, and a topic of 1,024 queues: from the call of `start()` with which the last member joins, or of `close()` with which
 * one leaves, until that has resolved. Each of the others has its new share by then, which is checked. On a file, and the same in memory.
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Latencies, measured, withLoopDelay } from "../harness/measured.mjs";

const MEMBERS = 64;
const QUEUES = 1_024;
const WARM_UP = 20;
/** In which the pulls of the queues that changed hands begin. */
const SETTLE_MS = 50;

class Group {
  #store;
  /** By their names, of which one is free: in that order queues are shared. */
  #members = new Map();
  #free = 0;

  static async open(driver, path, synchronous) {
    const group = new Group();
    group.#store = await driver.open(path, synchronous);
    await group.#store.createTopic(QUEUES);
    for (let index = 0; index < MEMBERS; index += 1) group.#members.set(index, await group.#store.join(nameOf(index)));
    await group.#leave();
    return group;
  }

  /** Whoever leaves is somewhere in the middle, so that the shares of all others move. */
  async #leave() {
    const index = (this.#free * 29 + 17) % MEMBERS;
    const leaving = this.#members.get(index);
    this.#members.delete(index);
    this.#free = index;
    await leaving.close();
  }

  async #join() {
    this.#members.set(this.#free, await this.#store.join(nameOf(this.#free)));
  }

  /** How long each took. */
  async change(count) {
    const took = new Latencies();
    for (let change = 0; change < count; change += 1) {
      const start = performance.now();
      await (change % 2 === 0 ? this.#join() : this.#leave());
      took.record(performance.now() - start);
      this.#verify();
      await sleep(SETTLE_MS);
    }
    return took;
  }

  #verify() {
    const shares = [...this.#members.values()].map(({ assignment }) => assignment.map(({ queueId }) => queueId));
    const owned = shares.flat();
    if (owned.length !== QUEUES || new Set(owned).size !== QUEUES)
      throw new Error(
        `${QUEUES} queues, ${owned.length} in somebody's hands, ${new Set(owned).size} of them different`,
      );
    const sizes = shares.map(({ length }) => length);
    if (Math.max(...sizes) - Math.min(...sizes) > 1) throw new Error(`shares of ${sizes.join(", ")} queues`);
  }

  close() {
    return this.#store.close();
  }
}

const nameOf = (index) => String(index).padStart(2, "0");

export const rebalance = {
  name: "rebalance",
  title: "64 members sharing 1,024 queues",
  drivers: ["pocketmq"],
  batch: 1,
  /** How many join and leave. */
  messages: { full: 60, normal: 60, smoke: 4 },
  async run({ driver, folder, synchronous, messages, profile }) {
    const inMemory = await Group.open(driver, ":memory:", "off");
    await inMemory.change(Math.min(messages, WARM_UP));
    const memory = await inMemory.change(messages);
    await inMemory.close();

    const group = await Group.open(driver, join(folder, "store.db"), synchronous);
    await group.change(Math.min(messages, WARM_UP));
    let took;
    const figures = await withLoopDelay(() =>
      measured(
        async () => {
          took = await group.change(messages);
        },
        { profile },
      ),
    );
    const { loopDelayMaxMs } = figures;
    await group.close();
    return {
      messages,
      p50Ms: took.percentile(50),
      p99Ms: took.percentile(99),
      maxMs: took.max,
      memoryP50Ms: memory.percentile(50),
      memoryMaxMs: memory.max,
      loopDelayMaxMs,
    };
  },
};
