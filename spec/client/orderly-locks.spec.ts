import { describe, expect, it } from "vitest";
import { allocateAll } from "../../lib/client/allocate-message-queue.js";
import { type AllocateMessageQueueStrategy, allocateAveragely, OrderlyResult } from "../../lib/index.js";
import { systemClock } from "../../lib/time/clock.js";
import { openFaultDriver } from "../support/fault-driver.js";
import { deferred, type OrderlyRun, openOrderlyRun } from "./orderly-run.js";

const MINUTE = 60_000;

/** Two queues, of which "b" gets the second when it joins "a"; a listener of "a" has the first message of that one in hand. */
async function withBusyQueue(): Promise<
  OrderlyRun & { readonly held: ReturnType<typeof deferred<undefined>>; readonly signals: AbortSignal[] }
> {
  const run = await openOrderlyRun(2);
  const held = deferred<undefined>();
  const signals: AbortSignal[] = [];
  await run.send(1, "held", "after");
  await run
    .consumer(
      (bodies, { signal }) => {
        signals.push(signal);
        return bodies === "held" ? held.promise : undefined;
      },
      { instanceName: "a" },
    )
    .start();
  await run.clock.settle();
  expect(run.bodies).toEqual(["held"]);
  return Object.assign(run, { held, signals });
}

const ofMember = ({ calls }: OrderlyRun, name: string): string[] =>
  calls.filter(({ member }) => member === name).map(({ bodies }) => bodies);

describe("the lock of an orderly consumer", () => {
  it("keeps a queue from its new owner until the listener of the old one has ended, whose late result counts no more", async () => {
    await using run = await withBusyQueue();
    const b = run.consumer(undefined, { instanceName: "b" });
    await b.start();
    await run.clock.advance(30_000);
    expect(b.assignment).toEqual([]);

    run.held.resolve(undefined);
    await run.clock.settle();

    expect(b.assignment.map(({ queueId }) => queueId)).toEqual([1]);
    expect(ofMember(run, "b")).toEqual(["held", "after"]);
    expect(ofMember(run, "a")).toEqual(["held"]);
    expect(await run.offsets()).toEqual([0, 2]);
  });

  it("of a queue that was lost runs out 60 s after that", async () => {
    await using run = await withBusyQueue();
    await run.clock.advance(45_000);
    const b = run.consumer(undefined, { instanceName: "b" });
    await b.start();

    await run.clock.advance(60_000 - 1);
    expect(ofMember(run, "b")).toEqual([]);
    await run.clock.advance(2_000);
    expect(ofMember(run, "b")).toEqual(["held", "after"]);
    run.held.resolve(undefined);
    await run.clock.advance(1_000);

    expect(await run.offsets()).toEqual([0, 2]);
    expect(ofMember(run, "a")).toEqual(["held"]);
  });

  it("is renewed for as long as the queue is the member's, however long its listener runs", async () => {
    await using run = await openOrderlyRun(2);
    const held = deferred();
    await run.send(0, "held", "after");
    const settings = { instanceName: "a" };
    await run.consumer((bodies) => (bodies === "held" ? held.promise : undefined), settings).start();
    const b = run.consumer(undefined, { instanceName: "b" });
    await b.start();
    await run.clock.advance(30 * MINUTE);
    expect(b.assignment.map(({ queueId }) => queueId)).toEqual([1]);

    held.resolve(undefined);
    await run.clock.settle();

    expect(run.calls.map(({ member, bodies }) => `${member} ${bodies}`)).toEqual(["a held", "a after"]);
  });

  it("is given back by a close, so that the next owner begins at once", async () => {
    await using run = await openOrderlyRun(1);
    const a = run.consumer();
    await a.start();
    await run.send(0, "m0");
    await run.clock.settle();
    await a.close();
    const b = run.consumer(undefined, { instanceName: "b" });
    await b.start();
    await run.send(0, "m1");
    await run.clock.settle();

    expect(run.calls.map(({ member, bodies }) => `${member} ${bodies}`)).toEqual(["a m0", "b m1"]);
  });

  it("outlives a close that ran out of grace: the next owner waits until the listener has ended", async () => {
    await using run = await openOrderlyRun(1);
    const held = deferred();
    const signals: AbortSignal[] = [];
    await run.send(0, "held", "after");
    const a = run.consumer((_bodies, { signal }) => {
      signals.push(signal);
      return held.promise;
    });
    await a.start();
    await run.clock.settle();
    await a.close({ graceMs: 0 });
    expect(signals.map(({ aborted }) => aborted)).toEqual([true]);

    const b = run.consumer(undefined, { instanceName: "b" });
    await b.start();
    await run.clock.advance(10_000);
    expect(ofMember(run, "b")).toEqual([]);
    held.resolve(undefined);
    await run.clock.settle();

    expect(ofMember(run, "b")).toEqual(["held", "after"]);
  });

  it("is not that of another consumer of the same name, which is opened while the listener still runs", async () => {
    await using run = await openOrderlyRun(1);
    const held = deferred();
    await run.send(0, "held", "after");
    const closed = run.consumer(() => held.promise);
    await closed.start();
    await run.clock.settle();
    await closed.close({ graceMs: 0 });

    await run.consumer().start();
    await run.clock.advance(10_000);
    expect(run.bodies).toEqual(["held"]);
    held.resolve(undefined);
    await run.clock.settle();

    expect(run.bodies).toEqual(["held", "held", "after"]);
  });

  it("outlives such a close by 60 s at most", async () => {
    await using run = await openOrderlyRun(1);
    await run.send(0, "held");
    const a = run.consumer(() => deferred().promise);
    await a.start();
    await run.clock.settle();
    await a.close({ graceMs: 0 });

    await run.consumer(undefined, { instanceName: "b" }).start();
    await run.clock.advance(62_000);

    expect(ofMember(run, "b")).toEqual(["held"]);
  });

  it("lets a consumer close from within its listener, and the queue goes on elsewhere", async () => {
    await using run = await openOrderlyRun(1);
    await run.send(0, "m0", "m1");
    const a = run.consumer(async () => {
      await a.close();
    });
    await a.start();
    await systemClockTurns(5);
    await run.clock.settle();
    await a.close();

    await run.consumer(undefined, { instanceName: "b" }).start();
    await run.clock.advance(1_000);

    expect(ofMember(run, "a")).toEqual(["m0"]);
    expect(ofMember(run, "b")).toEqual(["m0", "m1"]);
  });

  it("keeps a queue to one call at a time when its own member takes it again, with another filter for example", async () => {
    await using run = await openOrderlyRun(1);
    const held = deferred();
    await run.send(0, "held", "after");
    const a = run.consumer((bodies) => (bodies === "held" && run.calls.length === 1 ? held.promise : undefined));
    await a.start();
    await run.clock.settle();

    a.subscribe("orders", "other || *");
    a.subscribe("orders", "*");
    await run.clock.advance(5_000);
    expect(run.bodies).toEqual(["held"]);
    held.resolve(undefined);
    await run.clock.settle();

    expect(run.bodies).toEqual(["held", "held", "after"]);
    expect(await run.offsets()).toEqual([2]);
  });

  it("begins the attempts of a message anew with another member", async () => {
    await using run = await openOrderlyRun(1);
    await run.send(0, "m");
    const a = run.consumer(() => OrderlyResult.SUSPEND, { suspendCurrentQueueTimeMs: 10 });
    await a.start();
    await run.clock.advance(50);
    await a.close();
    await run.consumer(undefined, { instanceName: "b" }).start();
    await run.clock.settle();

    expect(run.bodies).toEqual(["m", "m #2", "m #3", "m #4", "m #5", "m #6", "m"]);
  });

  it("is asked for again after the process was stopped for longer than it is trusted", async () => {
    await using run = await openOrderlyRun(1);
    await run.consumer().start();
    await run.clock.settle();
    run.clock.setTime(run.clock.now() + 10 * MINUTE);

    await run.send(0, "m0");
    await run.clock.settle();

    expect(run.bodies).toEqual(["m0"]);
  });

  it("keeps a queue to one of two members whose strategies give it to both, and to the other one when the first has lost it", async () => {
    await using run = await openOrderlyRun(1);
    const a = run.consumer(undefined, { instanceName: "a", allocateMessageQueueStrategy: allocateAll });
    const b = run.consumer(undefined, { instanceName: "b", allocateMessageQueueStrategy: allocateAll });
    await a.start();
    await run.clock.settle();
    // It does not come to renewing its lock.
    run.clock.setTime(run.clock.now() + 10 * MINUTE);
    await b.start();
    for (const body of ["m0", "m1"]) await run.send(0, body);
    await run.clock.advance(MINUTE);
    await b.close();
    await run.send(0, "m2");
    await run.clock.settle();

    expect(run.calls.map(({ member, bodies }) => `${member} ${bodies}`)).toEqual(["b m0", "b m1", "a m2"]);
    expect(await run.offsets()).toEqual([3]);
  });

  it("that another member has is noticed when it was to be renewed: the queue is dropped, and asked for each second", async () => {
    await using run = await openOrderlyRun(1);
    const settings = { allocateMessageQueueStrategy: allocateAll };
    const members = ["a", "b"].map((instanceName) => run.consumer(undefined, { ...settings, instanceName }));
    const assigned = (): readonly number[] => members.map(({ assignment }) => assignment.length);
    const told: string[] = [];
    run.mq.on("group:rebalanced", ({ clientId, assignment }) => {
      told.push(`${clientId.split("@")[1]} ${assignment.length}`);
    });
    await members[0]?.start();
    await run.clock.settle();
    run.clock.setTime(run.clock.now() + 10 * MINUTE);
    await members[1]?.start();
    const before = assigned();
    await run.clock.advance(0);
    const after = assigned();
    // The other one is stopped in its turn.
    run.clock.setTime(run.clock.now() + 10 * MINUTE);
    await run.clock.advance(1_000);

    expect([before, after, assigned()]).toEqual([
      [1, 1],
      [0, 1],
      [1, 0],
    ]);
    expect(told).toEqual(["a 1", "b 1", "a 0", "a 1", "b 0"]);
  });

  it("stays with its member when that takes the queue again before its listener has ended", async () => {
    await using run = await openOrderlyRun(1);
    const held = deferred();
    const settings = { allocateMessageQueueStrategy: allocateAll };
    await run.send(0, "held");
    const a = run.consumer(() => (run.calls.length === 1 ? held.promise : undefined), settings);
    await a.start();
    const b = run.consumer(undefined, { ...settings, instanceName: "b" });
    await b.start();
    await run.clock.settle();

    a.subscribe("orders", "other");
    held.resolve(undefined);
    await run.clock.advance(5 * MINUTE);

    expect([a, b].map(({ assignment }) => assignment.length)).toEqual([1, 0]);
    expect(run.bodies).toEqual(["held"]);
  });

  it("is the member's still when the clock was set back", async () => {
    await using run = await openOrderlyRun(1);
    await run.consumer().start();
    await run.clock.settle();
    run.clock.setTime(run.clock.now() - 60 * MINUTE);

    await run.send(0, "m0", "m1");
    await run.clock.settle();
    await run.clock.advance(MINUTE);

    expect(run.bodies).toEqual(["m0", "m1"]);
    expect(await run.offsets()).toEqual([2]);
  });

  it("is renewed in time though the clock was set back", async () => {
    await using run = await openOrderlyRun(2);
    const held = deferred();
    await run.consumer((bodies) => (bodies === "held" ? held.promise : undefined), { instanceName: "b" }).start();
    await run.clock.settle();
    run.clock.setTime(run.clock.now() - 60 * MINUTE);
    await run.consumer(undefined, { instanceName: "c" }).start();
    await run.send(0, "held", "after");
    await run.clock.advance(5 * MINUTE);

    await run.consumer(undefined, { instanceName: "a" }).start();
    await run.clock.advance(30_000);
    expect(ofMember(run, "a")).toEqual([]);
    held.resolve(undefined);
    await run.clock.settle();

    expect(ofMember(run, "a")).toEqual(["held", "after"]);
  });

  it("of a queue that was lost runs out though the clock was set back", async () => {
    await using run = await withBusyQueue();
    run.clock.setTime(run.clock.now() - 60 * MINUTE);
    await run.consumer(undefined, { instanceName: "b" }).start();

    await run.clock.advance(62_000);

    expect(ofMember(run, "b")).toEqual(["held", "after"]);
  });

  it("is given back with those of other queues in one turn, and the group's queues are shared once for all of them", async () => {
    await using run = await openOrderlyRun(64);
    const { counted, allocateMessageQueueStrategy } = countShares();
    const members = ["a", "b"].map((instanceName) =>
      run.consumer(undefined, { instanceName, allocateMessageQueueStrategy }),
    );
    for (const member of members) await member.start();
    await run.clock.settle();
    const joined = counted();
    await members[0]?.close();
    await run.clock.settle();

    expect(members.map(({ assignment }) => assignment.length)).toEqual([0, 64]);
    // By each member at each join, again where queues were given back, and by the one that stays when the other goes.
    expect([joined, counted() - joined]).toEqual([1 + 2 + 2, 1 + 1]);
  });

  it("is waited for by a member without sharing the group's queues anew", async () => {
    await using run = await withBusyQueue();
    const { counted, allocateMessageQueueStrategy } = countShares();
    await run.consumer(undefined, { instanceName: "b", allocateMessageQueueStrategy }).start();
    await run.clock.settle();
    const joined = counted();
    // Every 20 s all are shared anew.
    await run.clock.advance(19_000);

    expect([joined, counted()]).toEqual([1, 1]);
  });

  it("is not asked for again once the store has stopped", async () => {
    const driver = openFaultDriver();
    const run = await openOrderlyRun(2, { database: driver.database });
    const errors: string[] = [];
    run.mq.on("error", ({ message }) => void errors.push(message));
    await run.send(1, "held");
    const holder = run.consumer(() => deferred().promise, { instanceName: "a" });
    const waiter = run.consumer(undefined, { instanceName: "b" });
    for (const consumer of [holder, waiter]) {
      await consumer.start();
      await run.clock.settle();
    }
    driver.fail("COMMIT", "SQLITE_IOERR_FSYNC", "before");
    await run.send(0, "m").catch(() => undefined);
    driver.heal();
    await run.clock.advance(2 * MINUTE);

    expect([holder.assignment, waiter.assignment]).toEqual([[], []]);
    expect(errors).toEqual([expect.stringContaining("the store stopped")]);
    expect(run.clock.pendingTimers).toBe(0);
    await expect(run.mq.close({ graceMs: 0 })).rejects.toMatchObject({ code: "ERR_MQ_SERVICE_NOT_AVAILABLE" });
    driver.database.close();
  });
});

/** How often a member with this strategy has shared the queues of "orders". */
function countShares(): {
  readonly counted: () => number;
  readonly allocateMessageQueueStrategy: AllocateMessageQueueStrategy;
} {
  let shares = 0;
  return {
    counted: () => shares,
    allocateMessageQueueStrategy: (...args) => {
      if (args[2][0]?.topic === "orders") shares += 1;
      return allocateAveragely(...args);
    },
  };
}

async function systemClockTurns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await new Promise<void>((resolve) => systemClock.turn(resolve));
}
