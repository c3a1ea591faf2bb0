import { describe, expect, it } from "vitest";
import {
  formatRetryPolicy,
  parseRetryPolicy,
  type RetryPolicy,
  retryDelay,
  retryLevel,
} from "../../lib/broker/retry-policy.js";
import type { ConsumeContext } from "../../lib/index.js";
import { DELAY_LEVELS_MS } from "../../lib/time/delay-levels.js";
import { openTestBroker } from "../support/test-broker.js";

const HOUR = 60 * 60 * 1_000;

function delays(policy: RetryPolicy, ...reconsumeTimes: readonly number[]): readonly number[] {
  return reconsumeTimes.map((times) => retryDelay(policy, times));
}

/** How long a message that always fails waited each time, in a group with this policy. */
async function waits(retryPolicy: RetryPolicy, delayLevel = 0): Promise<readonly number[]> {
  await using broker = await openTestBroker({ defaultQueueCount: 1 });
  const { mq, clock } = broker;
  await mq.admin.createGroup("billing", { retryPolicy, retryMaxTimes: 4 });
  const at: number[] = [];
  const consumer = mq.pushConsumer({
    group: "billing",
    subscriptions: { orders: "*" },
    listener: (_message, context: ConsumeContext) => {
      at.push(clock.now());
      context.delayLevelWhenNextConsume = delayLevel;
      return "retry";
    },
  });
  await consumer.start();
  await mq.producer({ group: "shop" }).send({ topic: "orders", body: "a" });
  await clock.advance(HOUR);
  return at.slice(1).map((time, index) => time - (at[index] ?? 0));
}

describe("a customized retry policy", () => {
  it("gives the n-th retry entry n + 2, and the last entry from there on", () => {
    const policy: RetryPolicy = { type: "customized", delaysMs: [1, 2, 3, 4, 5] };

    expect(delays(policy, 0, 1, 2, 3, 100)).toEqual([3, 4, 5, 5, 5]);
  });

  it.each([
    [[7], [7, 7, 7]],
    [
      [1, 7],
      [7, 7, 7],
    ],
    [
      [1, 2, 7],
      [7, 7, 7],
    ],
    [
      [1, 2, 0, 7],
      [0, 7, 7],
    ],
  ])("gives the last entry when the list is as short as %j", (delaysMs, expected) => {
    expect(delays({ type: "customized", delaysMs }, 0, 1, 2)).toEqual(expected);
  });

  it("retries as RocketMQ does without one when the list is RocketMQ's", () => {
    const policy: RetryPolicy = { type: "customized", delaysMs: DELAY_LEVELS_MS };

    for (let times = 0; times < 40; times += 1) {
      const level = Math.min(retryLevel(times), DELAY_LEVELS_MS.length);
      expect(retryDelay(policy, times)).toBe(DELAY_LEVELS_MS[level - 1]);
    }
  });
});

describe("an exponential retry policy", () => {
  it("begins with initialMs, whatever the multiplier: nothing to the power of nothing", () => {
    for (const multiplier of [1, 1.5, 2, 1_000])
      expect(delays({ type: "exponential", initialMs: 250, maxMs: HOUR, multiplier }, 0)).toEqual([250]);
  });

  it("multiplies with each failure, in whole milliseconds", () => {
    const policy: RetryPolicy = { type: "exponential", initialMs: 100, maxMs: HOUR, multiplier: 1.5 };

    expect(delays(policy, 0, 1, 2, 3)).toEqual([100, 150, 225, 337]);
  });

  it("waits maxMs at most, from the first time on where initialMs is more", () => {
    expect(delays({ type: "exponential", initialMs: 100, maxMs: 350, multiplier: 2 }, 0, 1, 2, 3)).toEqual([
      100, 200, 350, 350,
    ]);
    expect(delays({ type: "exponential", initialMs: 500, maxMs: 350, multiplier: 2 }, 0, 1)).toEqual([350, 350]);
    expect(delays({ type: "exponential", initialMs: 500, maxMs: 0, multiplier: 2 }, 0, 1)).toEqual([0, 0]);
  });

  it("grows no more after 32 failures", () => {
    const slow: RetryPolicy = { type: "exponential", initialMs: 1_000, maxMs: HOUR, multiplier: 1.01 };
    const doubling: RetryPolicy = { type: "exponential", initialMs: 1, maxMs: 2 ** 50, multiplier: 2 };

    expect(delays(slow, 31, 32, 33, 2 ** 31 - 1)).toEqual([1_361, 1_374, 1_374, 1_374]);
    expect(delays(doubling, 31, 32, 33, 2 ** 31 - 1)).toEqual([2 ** 31, 2 ** 32, 2 ** 32, 2 ** 32]);
  });

  it("is a number of milliseconds at the ends of its ranges", () => {
    const [least, most] = [
      { initialMs: 0, maxMs: 0 },
      { initialMs: 2 ** 31 - 1, maxMs: 2 ** 31 - 1 },
    ];

    expect(delays({ type: "exponential", ...least, multiplier: 1_000 }, 0, 32, 99)).toEqual([0, 0, 0]);
    expect(delays({ type: "exponential", ...most, multiplier: 1_000 }, 0, 32, 99)).toEqual(
      [0, 32, 99].map(() => 2 ** 31 - 1),
    );
  });
});

describe("a retry policy", () => {
  it.each<[RetryPolicy]>([
    [{ type: "customized", delaysMs: [0, 1, 2 ** 31 - 1] }],
    [{ type: "exponential", initialMs: 0, maxMs: 2 ** 31 - 1, multiplier: 1.0000000000000002 }],
  ])("is read back as it was stored: %j", (policy) => {
    expect(parseRetryPolicy(formatRetryPolicy(policy))).toEqual(policy);
  });

  it.each<[RetryPolicy, readonly number[]]>([
    [{ type: "customized", delaysMs: [1, 2, 300, 400, 500] }, [300, 400, 500, 500]],
    [{ type: "exponential", initialMs: 1_000, maxMs: 3_000, multiplier: 2 }, [1_000, 2_000, 3_000, 3_000]],
    [{ type: "customized", delaysMs: [0] }, [0, 0, 0, 0]],
  ])("says how long the failed messages of its group wait: %j", async (policy, expected) => {
    expect(await waits(policy)).toEqual(expected);
  });

  it("says nothing where the listener names a delay level", async () => {
    expect(await waits({ type: "customized", delaysMs: [300] }, 2)).toEqual([5_000, 5_000, 5_000, 5_000]);
  });
});

describe("retryLevel", () => {
  it("is 3 after the first failure and one more after each other", () => {
    expect([0, 1, 15].map(retryLevel)).toEqual([3, 4, 18]);
  });
});
