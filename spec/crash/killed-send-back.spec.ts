import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { startChild } from "../support/child-process.js";
import { type LiveCopies, liveCopies, type Place } from "../support/live-copies.js";
import { tempFolder } from "../support/temp-folder.js";
import { openTestBroker, type TestBroker } from "../support/test-broker.js";
import { openCrashedStore } from "./crashed-store.js";

type Scenario = "retry" | "dead" | "running" | "due";
/** A database in a file of ours, or one of an application with a rollback journal. */
type Mode = "owned" | "attached";
type Step = readonly [moment: "before" | "after", beginning: string];

const GROUP = "readers";
const SIGKILLED = { code: null, signal: "SIGKILL" };
/** Whatever was put off before the crash is due by then. */
const MUCH_LATER = 4_000_000_000_000;

const BEFORE_BEGIN: Step = ["before", "BEGIN"];
const AFTER_BEGIN: Step = ["after", "BEGIN"];
const BEFORE_COMMIT: Step = ["before", "COMMIT"];
const AFTER_COMMIT: Step = ["after", "COMMIT"];

interface Outcome {
  /** Right after the crash. */
  readonly copies: LiveCopies;
  /** What a consumer gets afterwards, as `body reconsumeTimes`, sorted. */
  readonly consumed: readonly string[];
  /** When that is done. */
  readonly left: LiveCopies;
}

function openPlace(path: string, mode: Mode): Disposable & { readonly database: Database.Database | undefined } {
  const database = mode === "owned" ? undefined : new Database(path);
  return { database, [Symbol.dispose]: () => void database?.close() };
}

async function fill(path: string, mode: Mode, bodies: readonly string[], isPutOff: boolean): Promise<void> {
  using place = openPlace(path, mode);
  await using test = await openTestBroker({
    defaultQueueCount: 1,
    ...(place.database === undefined ? { path } : { database: place.database }),
  });
  const { mq, clock } = test;
  const producer = mq.producer({ group: "senders" });
  for (const body of bodies) await producer.send({ topic: "orders", body });
  if (!isPutOff) return;
  await mq.pushConsumer({ group: GROUP, subscriptions: { orders: "*" }, listener: () => "retry" }).start();
  await clock.advance(100);
}

function copiesIn({ mq }: TestBroker): LiveCopies {
  return liveCopies(mq.database as Database.Database, "orders", GROUP);
}

async function consumeAll(crashed: TestBroker): Promise<readonly string[]> {
  const consumed: string[] = [];
  const consumer = crashed.mq.pushConsumer({
    group: GROUP,
    subscriptions: { orders: "*" },
    listener: (message) => void consumed.push(`${message.text()} ${message.reconsumeTimes}`),
  });
  await consumer.start();
  crashed.clock.setTime(MUCH_LATER);
  await crashed.clock.advance(200);
  expect((await crashed.mq.admin.consumeStats(GROUP)).lag).toBe(0);
  return consumed.sort();
}

/** Kills a process at the last of the steps and lets another one go on. */
async function crash(
  scenario: Scenario,
  steps: readonly Step[],
  { bodies = ["a"], mode = "owned" }: { readonly bodies?: readonly string[]; readonly mode?: Mode } = {},
): Promise<Outcome> {
  using folder = tempFolder();
  const path = folder.file("a.db");
  await fill(path, mode, bodies, scenario === "due");
  await using child = startChild("fail-until-killed.mjs", path, mode, scenario, JSON.stringify(steps));
  expect(await child.ends()).toEqual(SIGKILLED);
  expect(child.told("killed")).toHaveLength(1);
  using place = openPlace(path, mode);
  await using crashed = await openCrashedStore(place.database ?? path);
  const copies = copiesIn(crashed);
  const consumed = await consumeAll(crashed);
  return { copies, consumed, left: copiesIn(crashed) };
}

describe("a process that is killed while it stores the copy of a message that failed", () => {
  it.each<[Scenario, string, readonly Step[]]>([
    ["retry", "before the transaction begins", [BEFORE_BEGIN]],
    ["retry", "after it began", [AFTER_BEGIN]],
    ["retry", "after the message is acknowledged in it", [["after", "INSERT INTO mq_sent_back"]]],
    ["retry", "after the copy is put off in it", [["after", "INSERT INTO mq_due"]]],
    ["retry", "before the commit", [BEFORE_COMMIT]],
    ["dead", "before the transaction begins", [BEFORE_BEGIN]],
    ["dead", "after it began", [AFTER_BEGIN]],
    ["dead", "after the message is acknowledged in it", [["after", "INSERT INTO mq_sent_back"]]],
    ["dead", "after the dead-letter topic is made in it", [["after", "INSERT INTO mq_topic"]]],
    ["dead", "after the dead letter is stored in it", [["after", "INSERT INTO mq_log"]]],
    ["dead", "before the commit", [BEFORE_COMMIT]],
  ])("(%s) %s: the message is still in its queue, and is consumed once", async (scenario, _where, steps) => {
    const { copies, consumed, left } = await crash(scenario, steps);

    expect(copies).toEqual(new Map([["a", ["queue"]]]));
    expect(consumed).toEqual(["a 0"]);
    expect(left).toEqual(new Map([["a", []]]));
  });
});

describe("a process that is killed while it sends a message back", () => {
  it.each<[string, readonly Step[]]>([
    ["after the commit", [AFTER_COMMIT]],
    ["before the offset is stored", [AFTER_COMMIT, ["before", "INSERT INTO mq_consume_offset"]]],
    ["before that is committed", [AFTER_COMMIT, BEFORE_COMMIT]],
    ["after that is committed", [AFTER_COMMIT, AFTER_COMMIT]],
  ])("%s: only the copy is left, and is consumed once", async (_where, steps) => {
    const { copies, consumed, left } = await crash("retry", steps);

    expect(copies).toEqual(new Map([["a", ["due"]]]));
    expect(consumed).toEqual(["a 1"]);
    expect(left).toEqual(new Map([["a", []]]));
  });
});

describe("a process that is killed while it sends a message back and one before it is still being consumed", () => {
  const BODIES = ["first", "before", "a", "behind"];

  it.each<[string, readonly Step[]]>([
    ["after the message is acknowledged", [["after", "INSERT INTO mq_sent_back"]]],
    ["before the commit", [BEFORE_COMMIT]],
  ])("%s: all from the first one on come again, each once", async (_where, steps) => {
    const { copies, consumed } = await crash("running", steps, { bodies: BODIES });

    expect(copies).toEqual(new Map(BODIES.map((body) => [body, ["queue"]])));
    expect(consumed).toEqual(["a 0", "before 0", "behind 0", "first 0"]);
  });

  it("after the commit: all from the first one on come again, but the one that was sent back only as its copy", async () => {
    const { copies, consumed, left } = await crash("running", [AFTER_COMMIT], { bodies: BODIES });

    expect(copies).toEqual(new Map(BODIES.map((body) => [body, [body === "a" ? "due" : "queue"]])));
    expect(consumed).toEqual(["a 1", "before 0", "behind 0", "first 0"]);
    expect(left).toEqual(new Map(BODIES.map((body) => [body, []])));
  });
});

describe("a process that is killed while it makes a message a dead letter", () => {
  it.each<[string, readonly Step[]]>([
    ["after the commit", [AFTER_COMMIT]],
    ["before the offset is stored", [AFTER_COMMIT, ["before", "INSERT INTO mq_consume_offset"]]],
  ])("%s: only the dead letter is left", async (_where, steps) => {
    const { copies, consumed, left } = await crash("dead", steps);

    expect(copies).toEqual(new Map([["a", ["dead"]]]));
    expect(consumed).toEqual([]);
    expect(left).toEqual(new Map([["a", ["dead"]]]));
  });
});

describe("a process that is killed while it moves retries that are due", () => {
  it.each<[string, readonly Step[]]>([
    ["before the transaction begins", [BEFORE_BEGIN]],
    ["before they are taken away", [["before", "DELETE FROM mq_due"]]],
    ["after they are taken away", [["after", "DELETE FROM mq_due"]]],
    ["after they are in their queue", [["after", "INSERT INTO mq_log"]]],
    ["before the commit", [["after", "DELETE FROM mq_due"], BEFORE_COMMIT]],
  ])("%s: they are still put off, and are consumed once each", async (_where, steps) => {
    const { copies, consumed } = await crash("due", steps, { bodies: ["a", "b"] });

    expect(copies).toEqual(
      new Map([
        ["a", ["due"]],
        ["b", ["due"]],
      ]),
    );
    expect(consumed).toEqual(["a 1", "b 1"]);
  });

  it("after the commit: they are in their queue, and are consumed once each", async () => {
    const { copies, consumed } = await crash("due", [["after", "DELETE FROM mq_due"], AFTER_COMMIT], {
      bodies: ["a", "b"],
    });

    expect(copies).toEqual(
      new Map([
        ["a", ["retry"]],
        ["b", ["retry"]],
      ]),
    );
    expect(consumed).toEqual(["a 1", "b 1"]);
  });
});

describe("a process that is killed on an application's connection, with a rollback journal", () => {
  /** More than the cache of the process: some of it is in the file before the commit. */
  const LARGE = "a".repeat(300_000);

  it.each<[string, Scenario, readonly Step[], Place, number]>([
    ["before it sends a message back", "retry", [["after", "INSERT INTO mq_due"], BEFORE_COMMIT], "queue", 0],
    ["after it sent a message back", "retry", [AFTER_COMMIT], "due", 1],
    ["before it makes a dead letter", "dead", [["after", "INSERT INTO mq_log"], BEFORE_COMMIT], "queue", 0],
    ["before it moves a retry", "due", [["after", "INSERT INTO mq_log"], BEFORE_COMMIT], "due", 1],
    ["after it moved a retry", "due", [["after", "INSERT INTO mq_log"], AFTER_COMMIT], "retry", 1],
  ])("%s: one copy is left, and is consumed once", async (_where, scenario, steps, place, reconsumeTimes) => {
    const { copies, consumed, left } = await crash(scenario, steps, { bodies: [LARGE], mode: "attached" });

    expect(copies).toEqual(new Map([[LARGE, [place]]]));
    expect(consumed).toEqual([`${LARGE} ${reconsumeTimes}`]);
    expect(left).toEqual(new Map([[LARGE, []]]));
  });
});
