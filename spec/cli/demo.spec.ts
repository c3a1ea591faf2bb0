import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { openBroker } from "../../lib/index.js";
import { tempFolder } from "../support/temp-folder.js";
import { type DemoJson, FLIGHTS_FILE, flightLines, json, runCli } from "./run-cli.js";

/** Counted by other code than the command's. */
function flightsByOrigin(): ReadonlyMap<string, number> {
  const records = JSON.parse(readFileSync(FLIGHTS_FILE, "utf8")) as readonly { readonly origin: string }[];
  const counts = new Map<string, number>();
  for (const { origin } of records) counts.set(origin, (counts.get(origin) ?? 0) + 1);
  return counts;
}

describe("pocketmq demo", () => {
  it("delivers each of the 20,000 flights once to each group that takes it", async () => {
    using folder = tempFolder();
    const byOrigin = flightsByOrigin();

    const run = await runCli(["demo", "--input", FLIGHTS_FILE, "--json"], { tmpdir: folder.path });

    const result = json<DemoJson>(run);
    const [board, busiest] = result.groups;
    expect(run.exit).toBe(0);
    expect(result).toMatchObject({ ok: true, sent: 20_000, synchronous: "full", problems: [] });
    expect(board).toMatchObject({
      group: "departure-board",
      expected: 20_000,
      consumed: 20_000,
      missing: 0,
      repeated: 0,
    });
    expect(new Map(board?.tags.map(({ tag, consumed }) => [tag, consumed]))).toEqual(byOrigin);
    expect(busiest).toMatchObject({ group: "busiest-airports", expression: "DFW || ORD || ATL", isRight: true });
    expect(busiest?.tags.map(({ tag, consumed }) => [tag, consumed])).toEqual([
      ["DFW", byOrigin.get("DFW")],
      ["ORD", byOrigin.get("ORD")],
      ["ATL", byOrigin.get("ATL")],
    ]);
  });

  it("shares the queues between the two members of a group", async () => {
    using folder = tempFolder();

    const run = await runCli(["demo", "--input", "-", "--json"], { tmpdir: folder.path, stdin: flightLines(400) });

    expect(json<DemoJson>(run).groups[0]?.members).toEqual([
      { name: "board-1", messages: 200, queueIds: [0, 1] },
      { name: "board-2", messages: 200, queueIds: [2, 3] },
    ]);
  });

  it("stores a record with its tag, a key and its own text", async () => {
    using folder = tempFolder();
    const line = '{"date":"2001/01/01 00:47", "id": 12345678901234567890, "origin":"DTW","destination":"LAS"}';
    await runCli(["demo", "--input", "-", "--store", folder.file("a.db")], { tmpdir: folder.path, stdin: `${line}\n` });

    await using mq = await openBroker(folder.file("a.db"));
    const queues = await mq.admin.topicStats("flights");
    const filled = queues.find(({ maxOffset }) => maxOffset > 0);
    const [message] = filled === undefined ? [] : await mq.admin.browse(filled.queue, 0, 1);

    expect(message?.text()).toBe(line);
    expect(message?.tag).toBe("DTW");
    expect(message?.keys).toEqual(["DTW-LAS-200101010047-1"]);
  });

  it("shows each airport of each group beside its count in the input, the rates and the store", async () => {
    using folder = tempFolder();
    const stdin = flightLines(100);

    const run = await runCli(["demo", "--input", "-", "--store", folder.file("a.db")], { tmpdir: folder.path, stdin });

    expect(run.exit).toBe(0);
    expect(run.stdout).toMatch(
      /^departure-board: every message\n {2}origin {2}input {2}consumed\n {2}ATL {8}20 {8}20$/m,
    );
    expect(run.stdout).toMatch(/^busiest-airports: ATL \|\| DFW \|\| LAX$/m);
    expect(run.stdout).toMatch(/^ {2}together 60 of 60, each count as in the input$/m);
    expect(run.stdout).toMatch(/^ {2}sent +100 {2}\d+\.\d\d s +[\d,]+$/m);
    expect(run.stdout).toMatch(/^ {2}consumed +160 {2}\d+\.\d\d s +[\d,]+$/m);
    expect(run.stdout).toContain("Every count is as in the input; the store is whole.");
    expect(run.stdout).toContain(`Store kept (synchronous full): ${folder.file("a.db")}\n`);
    expect(run.stdout).not.toContain("\u001b");
  });

  it("says where it is in lines when stderr is no terminal", async () => {
    using folder = tempFolder();

    const run = await runCli(["demo", "--input", FLIGHTS_FILE, "--json"], { tmpdir: folder.path });

    expect(run.stderr).toMatch(/^ {1}\d\d % {2}sent [\d,]+ {2}consumed [\d,]+ \+ [\d,]+\n/);
    expect(run.stderr).toMatch(/^100 % {2}sent 20,000 {2}consumed 20,000 \+ [\d,]+$/m);
    expect(run.stderr).not.toContain("\r");
    expect(run.stderr).not.toContain("\u001b");
  });

  it("counts a second run on the same store by itself", async () => {
    using folder = tempFolder();
    const args = ["demo", "--input", "-", "--store", folder.file("a.db"), "--json"];
    await runCli(args, { tmpdir: folder.path, stdin: flightLines(50) });

    const run = await runCli(args, { tmpdir: folder.path, stdin: flightLines(30) });

    const [board] = json<DemoJson>(run).groups;
    expect(run.exit).toBe(0);
    expect(board).toMatchObject({ expected: 30, consumed: 30, fromEarlierRuns: 0, repeated: 0 });
  });

  it("takes what others left in the store, and does not count it", async () => {
    using folder = tempFolder();
    await using mq = await openBroker(folder.file("a.db"));
    await mq.producer({ group: "p" }).send({ topic: "flights", tag: "DFW", body: "{}" });
    await mq.close();

    const args = ["demo", "--input", "-", "--store", folder.file("a.db"), "--json"];
    const run = await runCli(args, { tmpdir: folder.path, stdin: flightLines(30) });

    expect(run.exit).toBe(0);
    expect(json<DemoJson>(run).groups).toMatchObject([
      { expected: 30, consumed: 30, fromEarlierRuns: 1 },
      { expected: 18, consumed: 18, fromEarlierRuns: 1 },
    ]);
  });

  it("ends with 1 and shows the difference when messages do not arrive", async () => {
    using folder = tempFolder();
    await using mq = await openBroker(folder.file("a.db"));
    // What is sent to the queue that consumers do not see cannot be delivered.
    await mq.admin.createTopic("flights", { writeQueueNums: 5, readQueueNums: 4 });
    await mq.close();
    const args = ["demo", "--input", "-", "--store", folder.file("a.db")];

    const run = await runCli(args, { tmpdir: folder.path, stdin: '{"origin":"DFW"}\n'.repeat(50) });

    expect(run.exit).toBe(1);
    expect(run.stdout).toContain("  together 40 of 50, NOT as in the input\n");
    expect(run.stdout).toContain("  ! DFW: 40 consumed, 50 in the input, -10\n");
    expect(run.stdout).toContain("  ! 10 messages never came\n");
    expect(run.stdout).toContain("THE COUNTS DIFFER FROM THE INPUT");
  });
});
