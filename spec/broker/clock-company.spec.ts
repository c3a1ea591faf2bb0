import { describe, expect, it } from "vitest";
import { MachineClock } from "../support/machine-clock.js";
import { StallingClock } from "../support/stalling-clock.js";
import { type Engine, type Engines, openEngines, queueIdsOf, TOPIC } from "./engines.js";

const [HOUR, LEASE_MS, LOOK_MS] = [3_600_000, 10_000, 250];

/** A process whose clock is ahead of that of others by so much, from its beginning on. */
function openAhead(engines: Engines, byMs: number, clock: StallingClock = new MachineClock()): Promise<Engine> {
  clock.setTime(clock.now() + byMs);
  return engines.open({ defaultQueueCount: 2, clock });
}

describe.each([
  { clocks: "clocks of machines", make: () => new MachineClock() },
  { clocks: "clocks that only say what time it is", make: () => new StallingClock() },
])("two processes whose clocks differ by an hour ($clocks)", ({ make }) => {
  it.each([HOUR, -HOUR])("share the queues, and neither takes those of the other (%d ms)", async (byMs) => {
    await using engines = await openEngines();
    const [a, b] = [await openAhead(engines, 0, make()), await openAhead(engines, byMs, make())];
    await a.test.mq.admin.createTopic(TOPIC);
    const [ofA, ofB] = [await a.consume({ instanceName: "1" }), await b.consume({ instanceName: "2" })];
    const shares: unknown[] = [];

    for (let round = 0; round < 3; round += 1) {
      await engines.advance(LEASE_MS);
      shares.push([queueIdsOf(ofA), queueIdsOf(ofB)]);
    }
    for (const [body, queue] of [["x", 0] as const, ["y", 1] as const]) await a.send(body, queue);
    await engines.advance(100);

    expect(shares).toEqual([
      [[0], [1]],
      [[0], [1]],
      [[0], [1]],
    ]);
    expect([a.received, b.received]).toEqual([["x"], ["y"]]);
  });

  it.each([HOUR, -HOUR])(
    "take those of one that hangs when its lease has run out, not before (%d ms)",
    async (byMs) => {
      await using engines = await openEngines();
      const [a, b] = [await openAhead(engines, 0, make()), await openAhead(engines, byMs, make())];
      await a.test.mq.admin.createTopic(TOPIC);
      const [, ofB] = [await a.consume({ instanceName: "1" }), await b.consume({ instanceName: "2" })];
      await engines.advance(1_000);
      a.clock.stall();

      await engines.advance(LEASE_MS - Math.floor(LEASE_MS / 3) - 2 * LOOK_MS);
      const before = queueIdsOf(ofB);
      await engines.advance(Math.floor(LEASE_MS / 3) + 4 * LOOK_MS);

      expect([before, queueIdsOf(ofB)]).toEqual([[1], [0, 1]]);
    },
  );
});

describe("when the clock of one of two processes is set", () => {
  it.each([HOUR, -HOUR])("it keeps its queues, and the other one does (%d ms)", async (byMs) => {
    await using engines = await openEngines();
    const [a, b] = [await openAhead(engines, 0), await openAhead(engines, 0)];
    await a.test.mq.admin.createTopic(TOPIC);
    const [ofA, ofB] = [await a.consume({ instanceName: "1" }), await b.consume({ instanceName: "2" })];
    await engines.advance(1_000);

    b.clock.setTime(b.clock.now() + byMs);
    await engines.advance(3 * LEASE_MS);
    for (const [body, queue] of [["x", 0] as const, ["y", 1] as const]) await a.send(body, queue);
    await engines.advance(100);

    expect([queueIdsOf(ofA), queueIdsOf(ofB), a.received, b.received]).toEqual([[0], [1], ["x"], ["y"]]);
  });

  it("it takes the queues of one that hangs in time, with nobody who commits", async () => {
    await using engines = await openEngines();
    const [a, b] = [await openAhead(engines, 0), await openAhead(engines, 0)];
    await a.test.mq.admin.createTopic(TOPIC);
    const [, ofB] = [await a.consume({ instanceName: "1" }), await b.consume({ instanceName: "2" })];
    await engines.advance(1_000);

    a.clock.stall();
    b.clock.setTime(b.clock.now() - HOUR);
    await engines.advance(LEASE_MS + 4 * LOOK_MS);

    expect(queueIdsOf(ofB)).toEqual([0, 1]);
  });
});

describe("when the clock of a machine with two processes is set back", () => {
  it("a retry is delivered once, after its delay", async () => {
    await using engines = await openEngines();
    const [a, b] = [await openAhead(engines, 0), await openAhead(engines, 0)];
    await a.test.mq.admin.createTopic(TOPIC);
    for (const [engine, instanceName] of [[a, "1"] as const, [b, "2"] as const])
      await engine.consume({ instanceName }, ({ deliveryAttempt }) => (deliveryAttempt === 1 ? "retry" : "success"));
    await engines.advance(1_000);
    for (const [body, queue] of [["x", 0] as const, ["y", 1] as const]) await a.send(body, queue);
    await engines.advance(1_000);

    for (const { clock } of [a, b]) clock.setTime(clock.now() - HOUR);
    await engines.advance(1_100 + 9_000);
    const before = [...a.received, ...b.received].toSorted();
    await engines.advance(2_000);

    expect([before, [...a.received, ...b.received].toSorted()]).toEqual([
      ["x", "y"],
      ["x", "x", "y", "y"],
    ]);
  });
});
