import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { openBroker } from "../../lib/index.js";
import { tempFolder } from "../support/temp-folder.js";
import { type CliRun, type DemoJson, FLIGHTS_FILE, flightLines, json, runCli } from "./run-cli.js";

interface Flight {
  readonly date: string;
  readonly delay: number;
  readonly origin: string;
  readonly destination: string;
}

const flights = JSON.parse(readFileSync(FLIGHTS_FILE, "utf8")) as readonly Flight[];

/** Counted by other code than the command's. */
const byOrigin: ReadonlyMap<string, { readonly count: number; readonly largest: number }> = (() => {
  const entries = new Map<string, { count: number; largest: number }>();
  for (const { origin, delay } of flights) {
    const { count, largest } = entries.get(origin) ?? { count: 0, largest: delay };
    entries.set(origin, { count: count + 1, largest: Math.max(largest, delay) });
  }
  return entries;
})();

describe("pocketmq demo, given 20,000 flights,", () => {
  let run: CliRun;
  let result: DemoJson;

  beforeAll(async () => {
    using folder = tempFolder();
    run = await runCli(["demo", "--input", FLIGHTS_FILE, "--json"], { tmpdir: folder.path });
    result = json<DemoJson>(run);
  });

  it("ends well", () => {
    expect(run.exit).toBe(0);
    expect(result).toMatchObject({ ok: true, sent: 20_000, synchronous: "full", problems: [] });
  });

  it("delivers each once to each group that takes it", () => {
    const [board, busiest] = result.groups;

    expect(board).toMatchObject({
      group: "departure-board",
      expected: 20_000,
      consumed: 20_000,
      missing: 0,
      repeated: 0,
    });
    expect(new Map(board?.tags.map(({ tag, consumed }) => [tag, consumed]))).toEqual(
      new Map([...byOrigin].map(([origin, { count }]) => [origin, count])),
    );
    expect(busiest).toMatchObject({ group: "busiest-airports", expression: "DFW || ORD || ATL", isRight: true });
    expect(busiest?.tags.map(({ tag, consumed }) => [tag, consumed])).toEqual(
      ["DFW", "ORD", "ATL"].map((origin) => [origin, byOrigin.get(origin)?.count]),
    );
  });

  it("delivers each to each instance of the broadcasting group, and their boards show the same", () => {
    const { displays } = result.displays;

    expect(result.displays).toMatchObject({ group: "gate-displays", isRight: true });
    expect(displays.map(({ name }) => name)).toEqual(["display-a", "display-b"]);
    for (const { board, ...display } of displays) {
      expect(display).toMatchObject({ messages: 20_000, missing: 0, repeated: 0 });
      expect(new Map(board.map(({ tag, ...figures }) => [tag, figures]))).toEqual(byOrigin);
    }
  });

  it("delivers those that are more than 300 minutes late three times, everything else once", () => {
    const late = flights.filter(({ delay }) => delay > 300).length;

    expect(late).toBe(10);
    expect(result.late).toMatchObject({ group: "late-flights", isRight: true, repeated: 0, unexpected: 0 });
    expect(result.late.attempts).toEqual([
      { reconsumeTimes: 0, expected: 20_000, delivered: 20_000 },
      { reconsumeTimes: 1, expected: late, delivered: late },
      { reconsumeTimes: 2, expected: late, delivered: late },
    ]);
  });

  it("lists exactly those in the dead-letter queue, after three failures each", () => {
    const { topic, letters, ofEarlierRuns } = result.late.deadLetters;
    const late = flights.flatMap(({ date, origin, destination, delay }, at) => {
      const key = `${origin}-${destination}-${date.replaceAll(/\D/g, "")}-${at + 1}`;
      return delay > 300 ? [{ key, tag: origin, value: delay, reconsumeTimes: 3 }] : [];
    });

    expect(topic).toBe("%DLQ%late-flights");
    expect(letters.map(({ key, tag, value, reconsumeTimes }) => ({ key, tag, value, reconsumeTimes }))).toEqual(late);
    expect(ofEarlierRuns).toBe(0);
  });

  it("says where it is in lines when stderr is no terminal", () => {
    expect(run.stderr).toMatch(/^[ \d]{3} % {2}sent [\d,]+ {2}consumed [\d,]+/);
    expect(run.stderr).toMatch(/^100 % {2}sent 20,000 {2}consumed 83,044/m);
    expect(run.stderr).not.toContain("\r");
    expect(run.stderr).not.toContain("\u001b");
  });
});

describe("pocketmq demo", () => {
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
    expect(run.stdout).toMatch(/^ {2}consumed +460 {2}\d+\.\d\d s +[\d,]+$/m);
    expect(run.stdout).toContain("Every count is as in the input; the store is whole.");
    expect(run.stdout).toContain(`Store kept (synchronous full): ${folder.file("a.db")}\n`);
    expect(run.stdout).not.toContain("\u001b");
  });

  it("counts a second run on the same store by itself", async () => {
    using folder = tempFolder();
    const args = ["demo", "--input", "-", "--store", folder.file("a.db"), "--json"];
    await runCli(args, { tmpdir: folder.path, stdin: flightLines(50) });

    const run = await runCli(args, { tmpdir: folder.path, stdin: flightLines(30) });

    const { groups, displays, late } = json<DemoJson>(run);
    expect(run.exit).toBe(0);
    expect(groups[0]).toMatchObject({ expected: 30, consumed: 30, fromEarlierRuns: 0, repeated: 0 });
    for (const display of displays.displays) expect(display).toMatchObject({ messages: 30, fromEarlierRuns: 0 });
    expect(late).toMatchObject({ attempts: [{ delivered: 30 }, {}, {}], fromEarlierRuns: 0 });
  });

  it("takes what others left in the store, and does not count it", async () => {
    using folder = tempFolder();
    await using mq = await openBroker(folder.file("a.db"));
    await mq.producer({ group: "p" }).send({ topic: "flights", tag: "DFW", body: "no record" });
    await mq.close();

    const args = ["demo", "--input", "-", "--store", folder.file("a.db"), "--json"];
    const run = await runCli(args, { tmpdir: folder.path, stdin: flightLines(30) });

    const { groups, displays, late } = json<DemoJson>(run);
    expect(run.exit).toBe(0);
    expect(groups).toMatchObject([
      { expected: 30, consumed: 30, fromEarlierRuns: 1 },
      { expected: 18, consumed: 18, fromEarlierRuns: 1 },
    ]);
    for (const display of displays.displays) expect(display).toMatchObject({ messages: 30, fromEarlierRuns: 1 });
    expect(late).toMatchObject({ attempts: [{ delivered: 30 }, {}, {}], fromEarlierRuns: 1 });
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
    expect(run.stdout).toContain("  the boards do NOT agree with the input\n");
    expect(run.stdout).toContain("  ! display-a: DFW: 40 shown, 50 in the input, -10\n");
    expect(run.stdout).toContain("  ! 10 messages never came to display-b\n");
    expect(run.stdout).toContain("  ! first: 40 delivered, 50 in the input, -10\n");
    expect(run.stdout).toContain("THE COUNTS DIFFER FROM THE INPUT");
  });
});
