import { describe, expect, it } from "vitest";
import type { Broker, MessageView } from "../../lib/index.js";
import { openTestPort } from "../support/local-broker.js";
import { watchPulls } from "../support/watch-pulls.js";

/** POCKETMQ_BACKLOG=1000000 tries what is promised of a million messages: 20 s. */
const { POCKETMQ_BACKLOG = "5000" } = process.env;
const BACKLOG = Number(POCKETMQ_BACKLOG);
const PULL = 32;
const LISTENERS = 20;

/** So many messages in each queue of topic "orders"; their bodies are their offsets. */
async function fill(mq: Broker, queues: number, count: number): Promise<void> {
  await mq.admin.createTopic("orders", { readQueueNums: queues, writeQueueNums: queues });
  const producer = mq.producer({ group: "shop" });
  for (let queue = 0; queue < queues; queue += 1) {
    for (let from = 0; from < count; from += 1_000) {
      const length = Math.min(1_000, count - from);
      const batch = Array.from({ length }, (_, index) => ({ topic: "orders", body: String(from + index) }));
      producer.sendBatchSync(batch, { queue });
    }
  }
}

const committed = async (mq: Broker): Promise<readonly number[]> =>
  (await mq.admin.consumeStats("billing", "orders")).queues.map(({ consumerOffset }) => consumerOffset);

/** Listeners that are told when to end. */
class HeldListeners {
  readonly #ends: (() => void)[] = [];

  /** @param most - with one more the oldest ends. */
  hold(most: number = Number.POSITIVE_INFINITY): Promise<void> {
    return new Promise((resolve) => {
      this.#ends.push(resolve);
      if (this.#ends.length > most) this.#ends.shift()?.();
    });
  }

  end(): void {
    for (const resolve of this.#ends.splice(0)) resolve();
  }
}

describe("a consumer with a backlog", () => {
  it.each([
    ["concurrent", false],
    ["orderly", true],
  ])(
    "has pulled what its listeners have and at most two pulls more while all of them are stuck: %s",
    async (_kind, orderly) => {
      await using broker = await openTestPort();
      const { mq, port, clock } = broker;
      await fill(mq, 1, BACKLOG);
      const pulls = watchPulls(port);
      const stuck = new HeldListeners();
      let isStuck = true;
      let consumed = 0;
      await mq
        .pushConsumer({
          group: "billing",
          subscriptions: { orders: "*" },
          orderly,
          listener: async () => {
            if (isStuck) await stuck.hold();
            consumed += 1;
          },
        })
        .start();
      await clock.advance(60_000);

      expect(pulls.count).toBeLessThanOrEqual(LISTENERS + 2 * PULL);
      expect([consumed, await committed(mq)]).toEqual([0, [0]]);

      isStuck = false;
      stuck.end();
      await clock.settle();
      expect([consumed, await committed(mq)]).toEqual([BACKLOG, [BACKLOG]]);
    },
  );

  it("holds none of the messages behind one that is stuck, however many are consumed meanwhile, and consumes other queues", async () => {
    await using broker = await openTestPort();
    const { mq, port, clock } = broker;
    await fill(mq, 2, BACKLOG / 2);
    const pulls = watchPulls(port);
    const [stuck, slow] = [new HeldListeners(), new HeldListeners()];
    let consumed = 0;
    await mq
      .pushConsumer({
        group: "billing",
        subscriptions: { orders: "*" },
        listener: async ({ queueId, queueOffset }: MessageView) => {
          if (queueId === 0 && queueOffset === 0) return stuck.hold();
          // There are always others running behind what is acknowledged.
          if (queueId === 0) await slow.hold(LISTENERS / 2);
          consumed += 1;
        },
      })
      .start();

    await clock.settle();
    const atMaxSpan = [consumed, await pulls.countHeld()] as const;
    for (let before = -1; consumed > before; await clock.settle()) {
      before = consumed;
      slow.end();
    }

    expect(consumed).toBe(BACKLOG - 1);
    expect(atMaxSpan[0]).toBeGreaterThan(BACKLOG / 2 + 1_900);
    expect(atMaxSpan[1]).toBeLessThanOrEqual(LISTENERS + 2 * PULL);
    expect(await pulls.countHeld()).toBeLessThanOrEqual(1 + PULL);
    expect(await committed(mq)).toEqual([0, BACKLOG / 2]);

    stuck.end();
    await clock.settle();
    expect(await committed(mq)).toEqual([BACKLOG / 2, BACKLOG / 2]);
    expect(await pulls.countHeld()).toBe(0);
  });
});
