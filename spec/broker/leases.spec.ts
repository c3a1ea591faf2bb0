import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { startChild } from "../support/child-process.js";
import { type Engine, type Engines, GROUP, openEngines, queueIdsOf, TOPIC } from "./engines.js";

const LEASE_MS = 10_000;
const LOOK_MS = 250;
const RENEWED_AFTER_MS = 3_333;
const REFUSE_BEATS = "CREATE TRIGGER refuse BEFORE UPDATE ON mq_engine BEGIN SELECT RAISE(ABORT, 'no'); END";

/** Two engines of which the first has every queue of the topic, with two messages, the second of which is with the listener. */
async function setup(engines: Engines): Promise<{
  readonly a: Engine;
  readonly b: Engine;
  readonly end: (result: "success" | "retry") => void;
}> {
  const [a, b] = [await engines.open({ defaultQueueCount: 1 }), await engines.open({ defaultQueueCount: 1 })];
  await a.test.mq.admin.createTopic(TOPIC);
  let end: (result: "success" | "retry") => void = () => undefined;
  const held = new Promise<"success" | "retry">((resolve) => {
    end = resolve;
  });
  // Its name comes first, so that the only queue is its share.
  await a.consume({ instanceName: "1" }, (message) => (message.text() === "held" ? held : "success"));
  for (const body of ["done", "held"]) await a.send(body, 0);
  await engines.advance(100);
  return { a, b, end: (result) => end(result) };
}

function rows(path: string, sql: string): readonly unknown[] {
  const database = new Database(path, { readonly: true });
  try {
    return database.prepare(sql).pluck().all();
  } finally {
    database.close();
  }
}

describe("the queues of a process that hangs", () => {
  it("go to another one when its lease has run out, not before", async () => {
    await using engines = await openEngines();
    const { a, b } = await setup(engines);
    a.clock.stall();

    const ofB = await b.consume({ instanceName: "2" });
    await engines.advance(LEASE_MS - 2 * LOOK_MS);
    const before = queueIdsOf(ofB);
    await engines.advance(4 * LOOK_MS);

    expect([before, queueIdsOf(ofB), b.received]).toEqual([[], [0], ["held"]]);
  });

  it("stay with it when it goes on in time", async () => {
    await using engines = await openEngines();
    const { a, b } = await setup(engines);
    const ofB = await b.consume({ instanceName: "2" });
    await engines.settle();

    for (let round = 0; round < 3; round += 1) {
      a.clock.stall();
      await engines.advance(LEASE_MS - RENEWED_AFTER_MS - 2 * LOOK_MS);
      a.clock.resume();
      await engines.advance(RENEWED_AFTER_MS);
    }

    expect([queueIdsOf(ofB), b.received]).toEqual([[], []]);
  });

  it("are consumed from again only when it has said that it is there, as its lease may run out any moment", async () => {
    await using engines = await openEngines();
    const { path } = engines;
    const [a, b] = [await engines.open({ defaultQueueCount: 2 }), await engines.open({ defaultQueueCount: 2 })];
    await a.test.mq.admin.createTopic(TOPIC);
    const beats = (): unknown => rows(path, "SELECT beats FROM mq_engine ORDER BY engine_key LIMIT 1")[0];
    const atDelivery: unknown[] = [];
    await a.consume({ instanceName: "1" }, () => {
      atDelivery.push(beats());
      return "success";
    });
    await b.consume({ instanceName: "2" });
    await engines.settle();
    a.clock.stall();
    await engines.advance(0.8 * LEASE_MS);
    for (const body of ["x", "y"]) await b.send(body, 0);
    const before = beats() as number;

    a.clock.resume();
    await engines.advance(100);

    expect(a.received).toEqual(["x", "y"]);
    expect(atDelivery).toEqual([before + 1, before + 1]);
  });

  it("are consumed from again as soon as it could say so, where that fails at first; until then it tries", async () => {
    await using engines = await openEngines();
    const { a, b } = await setup(engines);
    await b.consume({ instanceName: "2" });
    await engines.settle();
    a.test.mq.database.exec(REFUSE_BEATS);
    await a.clock.advance(0.6 * LEASE_MS);
    await a.send("after", 0);
    await a.clock.advance(1_000);
    const whileItFails = [...a.received];

    a.test.mq.database.exec("DROP TRIGGER refuse");
    await a.clock.advance(LOOK_MS);

    expect([whileItFails, a.received]).toEqual([
      ["done", "held"],
      ["done", "held", "after"],
    ]);
  });

  it("are left by it, with no timer, when it closes while it cannot say so", async () => {
    await using engines = await openEngines();
    const { a, b, end } = await setup(engines);
    const ofB = await b.consume({ instanceName: "2" });
    await engines.settle();
    a.test.mq.database.exec(REFUSE_BEATS);
    await a.clock.advance(0.6 * LEASE_MS);
    end("success");
    await a.clock.settle();

    await a.close();
    await b.clock.advance(LOOK_MS);

    expect(queueIdsOf(ofB)).toEqual([0]);
  });

  it("are asked for no more when it can go on no longer", async () => {
    await using engines = await openEngines();
    const { a, b, end } = await setup(engines);
    await b.consume({ instanceName: "2" });
    await engines.settle();
    (a.test.mq.database as Database.Database).close();
    await a.clock.advance(2 * LEASE_MS);
    const timers = a.clock.pendingTimers;

    end("success");
    await a.clock.settle();

    expect(a.clock.pendingTimers).toBe(timers);
  });

  it("have the lease that their owner was opened with", async () => {
    await using engines = await openEngines();
    const a = await engines.open({ defaultQueueCount: 1, leaseMs: 2_000 });
    const b = await engines.open({ defaultQueueCount: 1 });
    await a.test.mq.admin.createTopic(TOPIC);
    await a.consume({ instanceName: "1" });
    a.clock.stall();

    const ofB = await b.consume({ instanceName: "2" });
    await engines.advance(2_000 + 2 * LOOK_MS);

    expect(queueIdsOf(ofB)).toEqual([0]);
  });

  it.each(["success", "retry"] as const)(
    "are fenced off: what it says later (%s) counts no more, and it takes part again",
    async (result) => {
      await using engines = await openEngines();
      const { a, b, end } = await setup(engines);
      const retried: string[] = [];
      for (const { test } of [a, b]) test.mq.on("message:retried", ({ topic }) => void retried.push(topic));
      a.clock.stall();
      const held: ((value: "success") => void)[] = [];
      // Its name comes first, so that it keeps the queue when the other one is back.
      const ofB = await b.consume({ instanceName: "0" }, () => new Promise((resolve) => void held.push(resolve)));
      await engines.advance(LEASE_MS + 2 * LOOK_MS);
      const taken = queueIdsOf(ofB);

      end(result);
      a.clock.resume();
      await engines.advance(200);
      const offset = rows(engines.path, "SELECT next_offset FROM mq_consume_offset WHERE topic = 'orders'");
      const members = (await b.test.mq.admin.getGroup(GROUP)).members;
      for (const resolve of held) resolve("success");
      await engines.advance(20_000);

      expect([taken, offset, members, retried]).toEqual([[0], [1], 2, []]);
      expect([...a.received, ...b.received].filter((body) => body === "held").length).toBeGreaterThan(1);
      expect((await b.test.mq.admin.consumeStats(GROUP)).lag).toBe(0);
    },
  );

  it("are not consumed by it any more when it goes on, though it has more of their messages at hand", async () => {
    await using engines = await openEngines();
    const [a, b] = [await engines.open({ defaultQueueCount: 1 }), await engines.open({ defaultQueueCount: 1 })];
    await a.test.mq.admin.createTopic(TOPIC);
    let end: (result: "success") => void = () => undefined;
    const held = new Promise<"success">((resolve) => {
      end = resolve;
    });
    await a.consume({ instanceName: "1", consumeConcurrency: 1 }, () => held);
    for (const body of ["1", "2", "3"]) await a.send(body, 0);
    await engines.advance(100);
    a.clock.stall();
    await b.consume({ instanceName: "0" });
    await engines.advance(LEASE_MS + 2 * LOOK_MS);

    // The first thing that it does.
    end("success");
    await Promise.resolve();
    a.clock.resume();
    await engines.advance(1_000);

    expect([a.received, b.received]).toEqual([["1"], ["1", "2", "3"]]);
  });

  it("are taken by one of those that wait", async () => {
    await using engines = await openEngines();
    const { a, b } = await setup(engines);
    const c = await engines.open();
    a.clock.stall();

    const [ofB, ofC] = [await b.consume({ instanceName: "2" }), await c.consume({ instanceName: "3" })];
    await engines.advance(LEASE_MS + 4 * LOOK_MS);

    expect([queueIdsOf(ofB), queueIdsOf(ofC), b.received, c.received]).toEqual([[0], [], ["held"], []]);
  });

  it("are not taken by one that slept itself, before it has waited for a whole lease", async () => {
    await using engines = await openEngines();
    const { a, b } = await setup(engines);
    const ofB = await b.consume({ instanceName: "2" });
    await engines.settle();

    // The machine sleeps, and this process is the first that wakes up.
    a.clock.stall();
    b.clock.setTime(b.clock.now() + 3_600_000);
    await engines.advance(LEASE_MS - LOOK_MS);
    const before = queueIdsOf(ofB);
    a.clock.resume();
    await engines.advance(2 * LOOK_MS);

    expect([before, queueIdsOf(ofB), b.received]).toEqual([[], [], []]);
  });

  it("go to another one in time when the clock of that one was set back", async () => {
    await using engines = await openEngines();
    const { a, b } = await setup(engines);
    const ofB = await b.consume({ instanceName: "2" });
    await engines.settle();

    b.clock.setTime(b.clock.now() - 3_600_000);
    a.clock.stall();
    await b.clock.advance(3_600_000 + LEASE_MS + 2 * LOOK_MS);

    expect(queueIdsOf(ofB)).toEqual([0]);
  });
});

describe("a process that is alone with its file", () => {
  it("writes nothing to say that it is there", async () => {
    await using engines = await openEngines();
    const a = await engines.open({ defaultQueueCount: 1 });
    await a.consume();
    await engines.advance(1_000);
    const before = rows(engines.path, "PRAGMA data_version");
    const beats = rows(engines.path, "SELECT beats FROM mq_engine");
    const changes = a.test.mq.database.prepare("SELECT total_changes()") as Database.Statement;
    const written = changes.pluck().get();

    await a.clock.advance(60_000);

    expect([changes.pluck().get(), rows(engines.path, "SELECT beats FROM mq_engine")]).toEqual([written, beats]);
    expect(before).toHaveLength(1);
  });

  it("says so three times a lease while others are there", async () => {
    await using engines = await openEngines();
    const [a, b] = [await engines.open(), await engines.open()];
    await a.consume();
    const ofB = await b.consume();
    await engines.settle();
    const [first] = rows(engines.path, "SELECT min(beats) FROM mq_engine") as number[];

    await engines.advance(3 * LEASE_MS);
    const [later] = rows(engines.path, "SELECT min(beats) FROM mq_engine") as number[];
    await ofB.close();
    await engines.settle();
    const [alone] = rows(engines.path, "SELECT beats FROM mq_engine") as number[];
    await engines.advance(LEASE_MS);

    expect((later ?? 0) - (first ?? 0)).toBeGreaterThanOrEqual(8);
    expect((later ?? 0) - (first ?? 0)).toBeLessThanOrEqual(10);
    expect(rows(engines.path, "SELECT beats FROM mq_engine")).toEqual([alone]);
  });
});

describe("the queues of a process that was killed", () => {
  it("go to one that was there within a quarter of a second, whatever the lease", async () => {
    await using engines = await openEngines();
    const a = await engines.open({ defaultQueueCount: 4 });
    await a.test.mq.admin.createTopic(TOPIC);
    await using child = startChild("member.mjs", engines.path, GROUP, TOPIC);
    await child.tells("assigned");
    const isShared = new Promise<void>((resolve) => {
      a.test.mq.on("group:rebalanced", ({ assignment }) => {
        if (assignment.length === 2) resolve();
      });
    });
    const ofA = await a.consume();
    await isShared;
    const shared = queueIdsOf(ofA);

    await child.kill();
    await a.clock.advance(LOOK_MS);

    expect([shared.length, queueIdsOf(ofA)]).toEqual([2, [0, 1, 2, 3]]);
    expect(rows(engines.path, "SELECT count(*) FROM mq_engine")).toEqual([1]);
  });

  it("go to one that comes later at once", async () => {
    await using engines = await openEngines();
    const a = await engines.open();
    await a.test.mq.admin.createTopic(TOPIC);
    await using child = startChild("member.mjs", engines.path, GROUP, TOPIC);
    await child.tells("assigned");
    await child.kill();

    const ofA = await a.consume();

    expect(queueIdsOf(ofA)).toEqual([0, 1, 2, 3]);
  });

  it("go on where the killed one was: what it had stored is not repeated", async () => {
    await using engines = await openEngines();
    const a = await engines.open({ defaultQueueCount: 1 });
    await a.test.mq.admin.createTopic(TOPIC);
    for (const body of ["1", "2", "3"]) await a.send(body, 0);
    await using child = startChild("member.mjs", engines.path, GROUP, TOPIC);
    await child.tells("stored", 3);
    await child.kill();
    await a.send("4", 0);

    await a.consume();
    await engines.settle();

    expect([child.told("got"), a.received]).toEqual([["1", "2", "3"], ["4"]]);
  });
});

describe("the queues of a worker thread that was ended", () => {
  it("go to the other threads of its process, which lives on", async () => {
    await using engines = await openEngines();
    const a = await engines.open();
    await a.test.mq.admin.createTopic(TOPIC);
    await using child = startChild("ended-thread.mjs", engines.path, GROUP, TOPIC);
    await child.tells("ended");

    const ofA = await a.consume();

    expect(queueIdsOf(ofA)).toEqual([0, 1, 2, 3]);
  });
});
