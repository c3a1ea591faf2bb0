import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { startChild } from "../support/child-process.js";
import { type Engine, type Engines, GROUP, openEngines, TOPIC } from "./engines.js";

const LEASE_MS = 10_000;
const TAKEN = { code: "ERR_MQ_ALREADY_CREATED", responseCode: -1 };

/** How a start ends, while time passes for everybody. */
async function startOf(engines: Engines, engine: Engine, ...settings: Parameters<Engine["consume"]>): Promise<unknown> {
  let end: unknown = "pending";
  void engine.consume(...settings).then(
    () => {
      end = "started";
    },
    (error: unknown) => {
      end = error;
    },
  );
  await engines.settle();
  for (let waited = 0; end === "pending" && waited < 2 * LEASE_MS; waited += 100) await engines.advance(100);
  return end;
}

/** As in a container of its own: nobody else can prove that the process is gone. */
function hideProcesses(path: string): void {
  const database = new Database(path);
  database.prepare("UPDATE mq_engine SET process_space = 'elsewhere'").run();
  database.close();
}

describe("the name of a member", () => {
  it.each([
    ["a sharing", "clustering"],
    ["a broadcasting", "broadcasting"],
  ] as const)("that %s member of another process has is refused, at once", async (_what, messageModel) => {
    await using engines = await openEngines();
    const [a, b] = [await engines.open(), await engines.open()];
    await a.consume({ instanceName: "x", messageModel });
    const start = b.clock.now();

    const second = await startOf(engines, b, { instanceName: "x", messageModel });

    expect(second).toMatchObject(TAKEN);
    expect(b.clock.now() - start).toBe(0);
    expect((await a.test.mq.admin.getGroup(GROUP)).members).toBe(1);
  });

  it("is refused to a broadcasting member of another address, as it is what progress is kept under", async () => {
    await using engines = await openEngines();
    const [a, b] = [await engines.open(), await engines.open()];
    await a.consume({ messageModel: "broadcasting" });
    const database = new Database(engines.path);
    database.prepare("UPDATE mq_member SET client_id = '10.0.0.1@DEFAULT'").run();
    database.close();

    expect(await startOf(engines, b, { messageModel: "broadcasting" })).toMatchObject(TAKEN);
  });

  it("is free at once when the process that had it was killed", async () => {
    await using engines = await openEngines();
    const a = await engines.open();
    await a.test.mq.admin.createTopic(TOPIC);
    await using child = startChild("member.mjs", engines.path, GROUP, TOPIC, "x");
    await child.tells("assigned");
    await child.kill();
    const start = a.clock.now();

    const again = await startOf(engines, a, { instanceName: "x" });

    expect([again, a.clock.now() - start]).toEqual(["started", 0]);
  });

  it("is free when the lease has run out of a process that was killed where nobody can look", async () => {
    await using engines = await openEngines();
    const a = await engines.open();
    await a.test.mq.admin.createTopic(TOPIC);
    await using child = startChild("member.mjs", engines.path, GROUP, TOPIC, "x");
    await child.tells("assigned");
    await child.kill();
    hideProcesses(engines.path);
    const start = a.clock.now();

    const again = await startOf(engines, a, { instanceName: "x" });

    expect(again).toBe("started");
    expect(a.clock.now() - start).toBeGreaterThanOrEqual(LEASE_MS);
    expect(a.clock.now() - start).toBeLessThanOrEqual(LEASE_MS + 500);
  });

  it("is free once its member has closed, in whatever process", async () => {
    await using engines = await openEngines();
    const [a, b] = [await engines.open(), await engines.open()];
    const first = await a.consume({ instanceName: "x" });
    await first.close();

    const ends = [await startOf(engines, b, { instanceName: "x" }), await startOf(engines, a, { instanceName: "x" })];

    expect(ends).toEqual(["started", expect.objectContaining(TAKEN)]);
  });

  it.each(["clustering", "broadcasting"] as const)(
    "is lost with the lease to whoever takes it (%s): the old member stops when it goes on, and says why",
    async (messageModel) => {
      await using engines = await openEngines();
      const [a, b] = [await engines.open({ defaultQueueCount: 1 }), await engines.open({ defaultQueueCount: 1 })];
      await a.test.mq.admin.createTopic(TOPIC);
      const first = await a.consume({ instanceName: "x", messageModel });
      a.clock.stall();
      const ends = [await startOf(engines, b, { instanceName: "x", messageModel })];

      a.clock.resume();
      await engines.advance(1_000);
      await b.send("new", 0);
      await engines.advance(1_000);

      expect([ends, first.assignment, a.received, b.received]).toEqual([["started"], [], [], ["new"]]);
      expect((await b.test.mq.admin.getGroup(GROUP)).members).toBe(1);
      expect(a.test.logged).toContainEqual({
        level: "error",
        text: expect.stringMatching(/stopped: nothing was heard of this process for longer than its lease/),
        data: undefined,
      });
      await first.close();
    },
  );

  it("is waited for no longer when the broker closes", async () => {
    await using engines = await openEngines();
    const [a, b] = [await engines.open(), await engines.open()];
    await a.consume({ instanceName: "x" });
    hideProcesses(engines.path);
    a.clock.stall();
    const starting = b.consume({ instanceName: "x" }).catch((error: unknown) => error);
    await engines.settle();

    await b.close();

    expect(await starting).toMatchObject({ code: "ERR_MQ_CLOSED" });
  });
});
