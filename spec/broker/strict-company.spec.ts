import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { startChild } from "../support/child-process.js";
import { thrown } from "../support/thrown.js";
import { type Engines, GROUP, openEngines, queueIdsOf, TOPIC } from "./engines.js";

const LEASE_MS = 10_000;
const REFUSED = { code: "ERR_MQ_SUBSCRIPTION", responseCode: 24 };
const STRICT = { strictSubscriptions: true } as const;
const PAID = { subscriptions: { [TOPIC]: "paid" } };
const CREATED = { subscriptions: { [TOPIC]: "created" } };

/** Name and subscriptions of the members in all engines. */
function membersIn({ path }: Engines): readonly unknown[] {
  const database = new Database(path, { readonly: true });
  const sql = `SELECT substr(client_id, instr(client_id, '@') + 1), subscriptions ->> '$[0][1]' FROM mq_member ORDER BY client_id`;
  const rows = database.prepare(sql).raw().all();
  database.close();
  return rows;
}

/** How often somebody joined, left or let go of a queue. */
function changesIn({ path }: Engines): unknown {
  const database = new Database(path, { readonly: true });
  const changes = database.prepare("SELECT value FROM mq_meta WHERE name = 'member_changes'").pluck().get();
  database.close();
  return changes;
}

/** As in a container of its own: nobody else can prove that the process is gone. */
function hideProcesses({ path }: Engines): void {
  const database = new Database(path);
  database.exec("UPDATE mq_engine SET process_space = 'elsewhere'");
  database.close();
}

describe("members of several processes, of which one is strict", () => {
  it.each([
    [STRICT, {}],
    [{}, STRICT],
  ])("are never two that subscribe otherwise, also when they start at the same time", async (ofA, ofB) => {
    await using engines = await openEngines();
    const [a, b] = [await engines.open(), await engines.open()];

    const starts = [
      a.consume({ instanceName: "a", ...PAID, ...ofA }),
      b.consume({ instanceName: "b", ...CREATED, ...ofB }),
    ];
    const ends = Promise.allSettled(starts);
    await engines.settle();
    const [first, second] = await ends;

    const refused = first?.status === "rejected" ? first : (second as PromiseRejectedResult);
    expect([first?.status, second?.status].sort()).toEqual(["fulfilled", "rejected"]);
    expect(refused.reason).toMatchObject(REFUSED);
    expect(membersIn(engines)).toEqual([first === refused ? ["b", "created"] : ["a", "paid"]]);
  });

  it("leave no trace when they are refused, not even for others that start in the same commit", async () => {
    const changes: unknown[] = [];
    for (const count of [1, 2]) {
      await using engines = await openEngines();
      const a = await engines.open();
      const settings = [{ ...PAID, ...STRICT }, CREATED].slice(0, count);
      await Promise.allSettled(settings.map((consumer) => a.consume(consumer)));
      changes.push(changesIn(engines));
      await a.consume(CREATED).catch(() => undefined);
      changes.push(changesIn(engines));
    }

    expect(new Set(changes).size).toBe(1);
  });

  it("may start when they agree", async () => {
    await using engines = await openEngines();
    const [a, b] = [await engines.open(), await engines.open()];
    await a.consume({ instanceName: "a", subscriptions: { [TOPIC]: "a||b" }, ...STRICT });

    await b.consume({ instanceName: "b", subscriptions: { [TOPIC]: "b || a" }, ...STRICT });

    expect(membersIn(engines)).toHaveLength(2);
  });

  it("cannot subscribe to something else, even where the others have not been seen yet", async () => {
    await using engines = await openEngines();
    const [a, b] = [await engines.open(), await engines.open()];
    const ofA = await a.consume({ instanceName: "a" });
    a.clock.stall();
    await b.consume({ instanceName: "b", ...STRICT });

    const error = thrown(() => ofA.subscribe(TOPIC, "paid"));

    expect(error).toMatchObject(REFUSED);
    expect(membersIn(engines)).toEqual([
      ["a", "*"],
      ["b", "*"],
    ]);
  });

  it("may when the process of the others is gone", async () => {
    await using engines = await openEngines();
    const a = await engines.open();
    await a.test.mq.admin.createTopic(TOPIC);
    await using child = startChild("member.mjs", engines.path, GROUP, TOPIC);
    await child.tells("assigned");
    const ofA = await a.consume({ instanceName: "a", ...STRICT });

    const before = thrown(() => ofA.subscribe(TOPIC, "paid"));
    await child.kill();
    ofA.subscribe(TOPIC, "paid");
    await engines.settle();

    expect(before).toMatchObject(REFUSED);
    expect(membersIn(engines)).toContainEqual(["a", "paid"]);
  });
});

describe("a member that comes to a strict one of a process that hangs", () => {
  it("waits for it to be heard of, and is refused then", async () => {
    await using engines = await openEngines();
    const [a, b] = [await engines.open(), await engines.open()];
    await a.consume({ instanceName: "a", ...STRICT });
    a.clock.stall();
    let end: unknown = "pending";
    void b.consume({ instanceName: "b", ...PAID }).catch((error: unknown) => {
      end = error;
    });
    await engines.advance(LEASE_MS / 2);
    const meanwhile = end;

    a.clock.resume();
    await engines.advance(1_000);

    expect([meanwhile, end]).toEqual(["pending", expect.objectContaining(REFUSED)]);
  });

  it("takes part when the lease of that process has run out", async () => {
    await using engines = await openEngines();
    const [a, b] = [await engines.open(), await engines.open()];
    await a.consume({ instanceName: "a", ...STRICT });
    hideProcesses(engines);
    a.clock.stall();

    const starting = b.consume({ instanceName: "b", ...PAID });
    await engines.advance(LEASE_MS + 500);
    await starting;

    expect(membersIn(engines)).toEqual([["b", "paid"]]);
  });
});

describe("a member that finds out later that a strict one is in its group", () => {
  it("stops and says why when it was taken for gone meanwhile", async () => {
    await using engines = await openEngines();
    const [a, b] = [await engines.open(), await engines.open()];
    await a.test.mq.admin.createTopic(TOPIC);
    const ofA = await a.consume({ instanceName: "a" });
    a.clock.stall();
    const starting = b.consume({ instanceName: "b", ...PAID, ...STRICT });
    await engines.advance(LEASE_MS + 500);
    const ofB = await starting;

    a.clock.resume();
    await engines.advance(1_000);

    expect([queueIdsOf(ofA), queueIdsOf(ofB), membersIn(engines)]).toEqual([[], [0, 1, 2, 3], [["b", "paid"]]]);
    expect(a.test.logged).toContainEqual({
      level: "error",
      text: expect.stringMatching(/^consumer .*@a of group billing stopped: .* differs from its member .*@b/),
      data: undefined,
    });
  });

  it("stops when it subscribed to something else in the moment when that one came", async () => {
    await using engines = await openEngines();
    const [a, b] = [await engines.open(), await engines.open()];
    const ofA = await a.consume({ instanceName: "a" });
    const errors: unknown[] = [];
    a.test.mq.on("error", (error) => void errors.push(error));
    a.clock.stall();
    ofA.subscribe(TOPIC, "paid");
    await b.consume({ instanceName: "b", ...STRICT });

    a.clock.resume();
    await engines.advance(1_000);

    expect(membersIn(engines)).toEqual([["b", "*"]]);
    expect(errors).toEqual([expect.objectContaining(REFUSED)]);
    expect((await a.test.mq.admin.getGroup(GROUP)).subscriptions).toEqual({ [TOPIC]: "*" });
  });
});
