import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { seededChance } from "../../lib/time/chance.js";
import { browseQueue } from "../support/shared-connection.js";
import { openTestBroker } from "../support/test-broker.js";

const SEEDS = Array.from({ length: 40 }, (_, index) => index + 1);
const TOPICS = ["orders", "bills", "late"];

class Undone extends Error {}

/** What is in each topic, in order, as far as nothing was rolled back. */
type Model = Map<string, string[]>;

function copyOf(model: Model): Model {
  return new Map([...model].map(([topic, bodies]) => [topic, [...bodies]]));
}

describe("sends in transactions with savepoints", () => {
  it.each(SEEDS)("lie densely in their queues, without what was rolled back: seed %i", async (seed) => {
    const chance = seededChance(seed);
    const below = (count: number): number => chance.nextInt(count);
    const database = new Database(":memory:");
    await using broker = await openTestBroker({ database, defaultQueueCount: 1 });
    const { mq, clock } = broker;
    const producer = mq.producer({ group: "shop" });
    let [sent, stored]: [number, Model] = [0, new Map()];
    const store = (model: Model, topic: string, body: string): void => {
      model.set(topic, [...(model.get(topic) ?? []), body]);
    };
    /** Some steps, of which a savepoint may undo some. */
    const steps = (model: Model, depth: number): Model => {
      let reached = model;
      for (let step = below(5); step >= 0; step -= 1) {
        if (depth < 3 && below(3) === 0) {
          const before = copyOf(reached);
          database.exec(`SAVEPOINT s${depth}`);
          reached = steps(reached, depth + 1);
          if (below(2) === 0) {
            database.exec(`ROLLBACK TO s${depth}`);
            reached = before;
          }
          database.exec(`RELEASE s${depth}`);
        } else {
          sent += 1;
          const topic = TOPICS[below(TOPICS.length)] as string;
          const isLate = topic === "late";
          producer.sendSync({ topic, body: `${sent}`, ...(isLate && { delayMs: 1_000 }) });
          store(reached, topic, `${sent}`);
        }
      }
      return reached;
    };
    for (let round = 0; round < 12; round += 1) {
      const isUndone = below(4) === 0;
      try {
        mq.transaction(() => {
          const reached = steps(copyOf(stored), 0);
          if (isUndone) throw new Undone();
          stored = reached;
        });
      } catch (error) {
        if (!(error instanceof Undone)) throw error;
      }
      if (below(3) === 0) {
        sent += 1;
        await producer.send({ topic: "orders", body: `${sent}` });
        store(stored, "orders", `${sent}`);
      }
      if (below(3) === 0) await clock.settle();
    }
    await clock.advance(2_000);

    for (const topic of TOPICS) {
      const views = await browseQueue(mq, topic).catch(() => []);
      expect(views.map((view) => view.text())).toEqual(stored.get(topic) ?? []);
      expect(views.map(({ queueOffset }) => queueOffset)).toEqual(views.map((_, index) => index));
    }
  });
});
