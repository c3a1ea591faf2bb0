import { describe, expect, it } from "vitest";
import type { SqliteStatement } from "../../lib/store/sqlite.js";
import { type Engine, GROUP, openEngines, queueIdsOf, TOPIC } from "./engines.js";

function rowsOf({ test }: Engine, sql: string): readonly unknown[] {
  return (test.mq.database.prepare(sql) as SqliteStatement).all();
}

/** A listener that is told when to end. */
function heldListener(): {
  readonly listener: () => Promise<"success" | "retry">;
  end(result: "success" | "retry"): void;
} {
  let end: (result: "success" | "retry") => void = () => undefined;
  const held = new Promise<"success" | "retry">((resolve) => {
    end = resolve;
  });
  return { listener: () => held, end: (result) => end(result) };
}

describe("the members of a group in several processes", () => {
  it("share its queues as members in one process do, each message to one of them", async () => {
    await using engines = await openEngines();
    const [a, b] = [await engines.open(), await engines.open()];
    await a.test.mq.admin.createTopic(TOPIC);
    const ofA = await a.consume();
    const ofB = await b.consume();
    await engines.settle();

    for (let index = 0; index < 20; index += 1) await (index % 2 === 0 ? a : b).send(`${index}`, index % 4);
    await engines.settle();

    expect([...queueIdsOf(ofA), ...queueIdsOf(ofB)].sort()).toEqual([0, 1, 2, 3]);
    expect(queueIdsOf(ofA)).toHaveLength(2);
    expect([a.received.length, b.received.length]).toEqual([10, 10]);
    expect(new Set([...a.received, ...b.received]).size).toBe(20);
  });

  it("share them anew when one closes, and go on where it was", async () => {
    await using engines = await openEngines();
    const [a, b] = [await engines.open(), await engines.open()];
    await a.test.mq.admin.createTopic(TOPIC);
    const ofA = await a.consume();
    await b.consume();
    await engines.settle();
    for (let index = 0; index < 8; index += 1) await a.send(`before ${index}`, index % 4);
    await engines.settle();

    await b.close();
    await engines.settle();
    for (let index = 0; index < 8; index += 1) await a.send(`after ${index}`, index % 4);
    await engines.settle();

    expect(queueIdsOf(ofA)).toEqual([0, 1, 2, 3]);
    expect(a.received.filter((body) => body.startsWith("after"))).toHaveLength(8);
    expect(new Set([...a.received, ...b.received]).size).toBe(16);
    expect(a.received.length + b.received.length).toBe(16);
  });

  it("give a queue away with its offset in one commit, and what was in hand comes again to the new owner only", async () => {
    await using engines = await openEngines();
    const [a, b] = [await engines.open({ defaultQueueCount: 2 }), await engines.open({ defaultQueueCount: 2 })];
    await a.test.mq.admin.createTopic(TOPIC);
    const held = heldListener();
    const ofA = await a.consume({}, (message) => (message.text().startsWith("held") ? held.listener() : "success"));
    for (const body of ["done 0", "held 0"]) await a.send(body, 0);
    for (const body of ["done 1", "held 1"]) await a.send(body, 1);
    await engines.settle();
    expect(a.received).toHaveLength(4);

    const ofB = await b.consume();
    await engines.settle();
    const [given] = queueIdsOf(ofB);
    held.end("success");
    await engines.advance(100);

    expect([...queueIdsOf(ofA), given].sort()).toEqual([0, 1]);
    expect(b.received).toEqual([`held ${given}`]);
    expect((await a.test.mq.admin.consumeStats(GROUP)).lag).toBe(0);
  });

  it("leave nobody without the queues of one who could not be told for a while", async () => {
    await using engines = await openEngines();
    const [a, b] = [await engines.open(), await engines.open()];
    await a.test.mq.admin.createTopic(TOPIC);
    const ofA = await a.consume();
    await engines.settle();

    a.clock.stall();
    const ofB = await b.consume();
    await engines.advance(5_000);
    const meanwhile = queueIdsOf(ofB);
    a.clock.resume();
    await engines.settle();

    expect(meanwhile).toEqual([]);
    expect([queueIdsOf(ofA), queueIdsOf(ofB)].map(({ length }) => length)).toEqual([2, 2]);
  });

  it("find the topic that another process makes, and share it", async () => {
    await using engines = await openEngines();
    const [a, b] = [await engines.open(), await engines.open()];
    const ofA = await a.consume();
    const ofB = await b.consume();
    await engines.settle();

    await b.send("first", 3);
    await engines.settle();

    expect([...queueIdsOf(ofA), ...queueIdsOf(ofB)].sort()).toEqual([0, 1, 2, 3]);
    expect([...a.received, ...b.received]).toEqual(["first"]);
  });

  it("share the queues of the retry topic as well, so that a retry comes once", async () => {
    await using engines = await openEngines();
    const [a, b] = [await engines.open(), await engines.open()];
    await a.test.mq.admin.createTopic(TOPIC);
    const fail = (message: { reconsumeTimes: number }): "success" | "retry" =>
      message.reconsumeTimes === 0 ? "retry" : "success";
    await a.consume({}, fail);
    await b.consume({}, fail);
    await engines.settle();

    for (let index = 0; index < 8; index += 1) await a.send(`${index}`, index % 4);
    await engines.advance(11_000);

    const times = new Map<string, number>();
    for (const body of [...a.received, ...b.received]) times.set(body, (times.get(body) ?? 0) + 1);
    expect([...times.values()]).toEqual(Array.from({ length: 8 }, () => 2));
  });

  it("take what was subscribed to last for all, wherever that was, and the process where it was tells of the conflict", async () => {
    await using engines = await openEngines();
    const [a, b] = [await engines.open(), await engines.open()];
    await a.test.mq.admin.createTopic(TOPIC);
    const conflicts: string[] = [];
    a.test.mq.on("group:conflict", ({ topics }) => void conflicts.push(`a ${topics.join()}`));
    b.test.mq.on("group:conflict", ({ topics }) => void conflicts.push(`b ${topics.join()}`));
    await a.consume({ subscriptions: { [TOPIC]: "created" } });
    await b.consume({ subscriptions: { [TOPIC]: "paid" } });
    await engines.settle();

    const groups = [await a.test.mq.admin.getGroup(GROUP), await b.test.mq.admin.getGroup(GROUP)];

    expect(conflicts).toEqual([`b ${TOPIC}`]);
    for (const group of groups) expect(group).toMatchObject({ members: 2, subscriptions: { [TOPIC]: "paid" } });
  });

  it("are known to an administrator in a third process", async () => {
    await using engines = await openEngines();
    const [a, b, operator] = [await engines.open(), await engines.open(), await engines.open()];
    await a.consume();
    const ofB = await b.consume({ messageModel: "broadcasting", group: "boards" });
    await engines.settle();

    const [clustering, broadcasting] = await Promise.all(
      [GROUP, "boards"].map((group) => operator.test.mq.admin.getGroup(group)),
    );
    await ofB.close();

    expect(clustering).toMatchObject({ members: 1, messageModel: "clustering", subscriptions: { [TOPIC]: "*" } });
    expect(broadcasting).toMatchObject({ members: 1, messageModel: "broadcasting" });
    expect(await operator.test.mq.admin.getGroup("boards")).toMatchObject({ members: 0, messageModel: undefined });
  });

  it("subscribe to another topic while they run, and share that too", async () => {
    await using engines = await openEngines();
    const [a, b] = [await engines.open(), await engines.open()];
    for (const topic of [TOPIC, "refunds"]) await a.test.mq.admin.createTopic(topic);
    const [ofA, ofB] = [await a.consume(), await b.consume()];
    await engines.settle();

    for (const consumer of [ofA, ofB]) consumer.subscribe("refunds");
    await engines.settle();

    const refunds = [ofA, ofB].map(({ assignment }) => assignment.filter(({ topic }) => topic === "refunds").length);
    expect(refunds).toEqual([2, 2]);
    expect((await a.test.mq.admin.getGroup(GROUP)).subscriptions).toEqual({ [TOPIC]: "*", refunds: "*" });
  });

  it("leave no row behind when they have closed", async () => {
    await using engines = await openEngines();
    const [a, b] = [await engines.open(), await engines.open()];
    await a.test.mq.admin.createTopic(TOPIC);
    const ofA = await a.consume();
    await b.consume();
    await engines.settle();

    await ofA.close();
    await b.close();

    for (const table of ["mq_engine", "mq_member", "mq_claim"]) expect(rowsOf(a, `SELECT * FROM ${table}`)).toEqual([]);
  });
});
