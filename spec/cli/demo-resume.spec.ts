import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { type Broker, ConsumeResult, openBroker } from "../../lib/index.js";
import { tempFolder } from "../support/temp-folder.js";
import { deadLettersIn, ended, flightLines, json, type ResumeJson, runCli, startCli } from "./run-cli.js";

/** A run that has sent and consumed some messages and waits for more. */
async function startedRun(tmpdir: string): Promise<ReturnType<typeof startCli>> {
  const child = startCli(["demo", "--input", "-"], tmpdir);
  // Ending the process breaks the pipe to it.
  child.stdin.on("error", () => undefined);
  child.stdin.write(flightLines(30_000, 50));
  await once(child.stderr, "data");
  return child;
}

/** What a run leaves that began, sent one late flight and went no further. */
async function interruptedRun(mq: Broker, settings: object): Promise<void> {
  const started = { run: "old", input: "-", tagField: "origin", expression: "DFW", ...settings };
  await mq.admin.createTopic("demo-runs", { readQueueNums: 1, writeQueueNums: 1 });
  const producer = mq.producer({ group: "flight-feed" });
  await producer.send({ topic: "demo-runs", tag: "started", keys: ["old"], body: JSON.stringify(started) });
  await producer.send({
    topic: "flights",
    tag: "DFW",
    properties: { run: "old", row: "1" },
    body: '{"origin":"DFW","delay":301}',
  });
}

// Most of them wait for retries, seconds in which they do nothing.
describe("pocketmq demo --resume", { concurrent: true }, () => {
  it("opens the store of the last run, and nothing is delivered again", async () => {
    using folder = tempFolder();
    const options = { tmpdir: folder.path };
    await runCli(["demo", "--input", "-"], { ...options, stdin: flightLines(10) });
    await runCli(["demo", "--input", "-"], { ...options, stdin: flightLines(500) });

    const run = await runCli(["demo", "--resume", "--json"], options);

    const found = json<ResumeJson>(run);
    expect(run.exit).toBe(0);
    expect(found.lastRun.finished).toMatchObject({ records: 500, isRight: true });
    expect(found.topics).toMatchObject([
      { topic: "demo-runs", queues: 1, messages: 2 },
      { topic: "flights", queues: 4, messages: 500 },
    ]);
    expect(found.groups).toMatchObject([
      { group: "departure-board", lagBefore: 0, lagAfter: 0, delivered: 0 },
      { group: "busiest-airports", lagBefore: 0, lagAfter: 0, delivered: 0 },
      { group: "late-flights", lagBefore: 0, lagAfter: 0, delivered: 0, retries: 0 },
    ]);
    expect(found.displays).toEqual([
      { name: "display-a", delivered: 0, ofLastRun: 0, wasTheRest: true },
      { name: "display-b", delivered: 0, ofLastRun: 0, wasTheRest: true },
    ]);
    expect(found.deadLetters).toMatchObject({ isRight: true, expected: 0, found: 0 });
    expect(found.lastMessages.map(({ keys }) => keys)).toEqual([
      ["PHX-500"],
      ["LAX-499"],
      ["ATL-498"],
      ["ORD-497"],
      ["DFW-496"],
    ]);
  });

  it("shows topics, groups and the last messages", async () => {
    using folder = tempFolder();
    const store = folder.file("a.db");
    await runCli(["demo", "--input", "-", "--store", store], { tmpdir: folder.path, stdin: flightLines(12) });

    const run = await runCli(["demo", "--resume", "--store", store], { tmpdir: folder.path });

    expect(run.exit).toBe(0);
    expect(run.stdout).toContain(`Store: ${store}\n`);
    expect(run.stdout).toMatch(
      /^The last run began \d{4}-\d\d-\d\d \d\d:\d\d:\d\d with standard input and sent 12 records\.$/m,
    );
    expect(run.stdout).toMatch(/^ {2}flights +4 +12 {2}\d{4}-/m);
    expect(run.stdout).toMatch(/^ {2}departure-board +0 +0 +0 {2}every message$/m);
    expect(run.stdout).toMatch(/^ {2}[0-9A-F]{32} +\d\/\d {2}ORD +ORD-12$/m);
    expect(run.stdout).toContain(
      "Nothing was delivered again: every message had been consumed.\nThe store is whole.\n",
    );
  });

  it.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGKILL", "SIGKILL"],
  ] as const)("consumes what a run that %s ended has left", async (signal, exit) => {
    using folder = tempFolder();
    const child = await startedRun(folder.path);
    child.kill(signal);
    const interrupted = await ended(child);

    const first = await runCli(["demo", "--resume", "--json"], { tmpdir: folder.path });
    const second = await runCli(["demo", "--resume", "--json"], { tmpdir: folder.path });

    const { groups, lastRun, displays, deadLetters } = json<ResumeJson>(first);
    const [board] = groups;
    expect(interrupted.exit).toBe(exit);
    expect(first.exit).toBe(0);
    expect(lastRun.finished).toBeUndefined();
    expect(board?.delivered).toBe(board?.lagBefore);
    expect(groups.map(({ lagAfter }) => lagAfter)).toEqual([0, 0, 0]);
    expect(displays.map(({ wasTheRest }) => wasTheRest)).toEqual([true, true]);
    expect(deadLetters).toMatchObject({ isRight: true, missing: 0 });
    expect(deadLetters?.found).toBe(deadLetters?.expected);
    expect(deadLetters?.expected).toBeGreaterThan(0);
    const nothing = { delivered: 0 };
    expect(json<ResumeJson>(second).groups).toMatchObject([nothing, nothing, { ...nothing, retries: 0 }]);
    expect(json<ResumeJson>(second).displays).toMatchObject([nothing, nothing]);
  });

  it("lists the dead letters of the last run, and apart from them those of earlier ones", async () => {
    using folder = tempFolder();
    const options = { tmpdir: folder.path };
    const store = ["--store", folder.file("a.db")];
    await runCli(["demo", "--input", "-", ...store], { ...options, stdin: flightLines(20, 10) });
    await runCli(["demo", "--input", "-", ...store], { ...options, stdin: flightLines(5, 5) });

    const run = await runCli(["demo", "--resume", ...store], options);

    expect(run.exit).toBe(0);
    expect(run.stdout).toMatch(/^ {2}%DLQ%late-flights +1 +3 {2}\d{4}-/m);
    expect(run.stdout).toMatch(/^ {2}display-b +0 {2}every message$/m);
    expect(deadLettersIn(run)).toEqual({
      own: ["PHX-5"],
      verdict: "1 of 1, each late record of the input once",
      earlier: ["PHX-10", "PHX-20"],
    });
  });

  it("ends with 1 when a late record of the last run has no dead letter", async () => {
    using folder = tempFolder();
    const options = { tmpdir: folder.path };
    const store = ["--store", folder.file("a.db")];
    await using mq = await openBroker(folder.file("a.db"));
    await mq.admin.createGroup("late-flights", { retryQueueNums: 0 });
    await mq.close();
    await runCli(["demo", "--input", "-", ...store], { ...options, stdin: flightLines(5, 5) });

    const run = await runCli(["demo", "--resume", ...store], options);

    expect(run.exit).toBe(1);
    expect(run.stdout).toContain("  0 of 1, NOT as in the input\n");
    expect(run.stdout).toContain("  ! 1 late record without a dead letter\n");
  });

  it("ends with 1 when an instance gets messages again that it had", async () => {
    using folder = tempFolder();
    const options = { tmpdir: folder.path };
    const store = ["--store", folder.file("a.db")];
    await runCli(["demo", "--input", "-", ...store], { ...options, stdin: flightLines(20) });
    await using mq = await openBroker(folder.file("a.db"));
    mq.database.exec("DELETE FROM mq_broadcast_offset WHERE instance_name = 'display-b'");
    await mq.close();

    const run = await runCli(["demo", "--resume", ...store], options);

    expect(run.exit).toBe(1);
    expect(run.stdout).toMatch(/^ {2}display-a +0 {2}every message$/m);
    expect(run.stdout).toMatch(/^ {2}display-b +20 {2}every message$/m);
    expect(run.stdout).toContain("WHAT WAS DELIVERED IS NOT WHAT WAS WAITING.\n");
  });

  it("begins with no group that the store does not know, as in one of a version with two groups", async () => {
    using folder = tempFolder();
    const store = folder.file("a.db");
    await using mq = await openBroker(store);
    await interruptedRun(mq, {});
    await mq.admin.createGroup("departure-board");
    await mq.admin.createGroup("busiest-airports");
    await mq.close();

    const run = await runCli(["demo", "--resume", "--store", store, "--json"], { tmpdir: folder.path });

    const found = json<ResumeJson>(run);
    expect(run.exit).toBe(0);
    expect(found.groups).toMatchObject([
      { group: "departure-board", lagBefore: 1, delivered: 1 },
      { group: "busiest-airports", lagBefore: 1, delivered: 1 },
    ]);
    expect(found.displays).toEqual([]);
    expect(found.deadLetters).toBeUndefined();
    await using after = await openBroker(store);
    expect((await after.admin.listGroups()).map(({ group }) => group)).toEqual(["busiest-airports", "departure-board"]);
  });

  it("waits for retries that were not due when the run was interrupted", async () => {
    using folder = tempFolder();
    const store = folder.file("a.db");
    await using mq = await openBroker(store);
    await interruptedRun(mq, { late: { field: "delay", over: 300 } });
    const consumer = mq.pushConsumer({
      group: "late-flights",
      subscriptions: { flights: "*" },
      listener: (_, context) => {
        context.delayLevelWhenNextConsume = 1;
        return ConsumeResult.RETRY;
      },
    });
    const retried = new Promise((resolve) => mq.once("message:retried", resolve));
    await consumer.start();
    await retried;
    await mq.close();

    const run = await runCli(["demo", "--resume", "--store", store, "--json"], { tmpdir: folder.path });

    const found = json<ResumeJson>(run);
    expect(run.exit).toBe(0);
    expect(found.groups).toMatchObject([
      { group: "late-flights", lagBefore: 0, lagAfter: 0, delivered: 0, retries: 2 },
    ]);
    expect(found.deadLetters).toMatchObject({ isRight: true, expected: 1, found: 1 });
  });

  it("refuses a store that is not there and does not make it", async () => {
    using folder = tempFolder();
    const options = { tmpdir: folder.path };

    const asked = await runCli(["demo", "--resume", "--store", folder.file("a.db")], options);
    const again = await runCli(["demo", "--resume", "--store", folder.file("a.db")], options);
    const latest = await runCli(["demo", "--resume"], options);

    expect(asked).toMatchObject({ exit: 1, stderr: `pocketmq: there is no store ${folder.file("a.db")}\n` });
    expect(again.stderr).toBe(asked.stderr);
    expect(latest.exit).toBe(1);
    expect(latest.stderr).toContain(`no earlier run has kept a store under ${folder.path}`);
  });
});
