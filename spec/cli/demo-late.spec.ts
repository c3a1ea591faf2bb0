import { describe, expect, it } from "vitest";
import { openBroker } from "../../lib/index.js";
import { tempFolder } from "../support/temp-folder.js";
import { type CliRun, type DemoJson, deadLettersIn, flightLines, json, runCli } from "./run-cli.js";

const ARGS = ["demo", "--input", "-"];

/** Runs the demo on this input, in a store of its own. */
async function demoOn(stdin: string, ...options: readonly string[]): Promise<CliRun> {
  using folder = tempFolder();
  return await runCli([...ARGS, ...options], { tmpdir: folder.path, stdin });
}

// Each waits for retries, two seconds in which it does nothing.
describe("the group that fails on late records", { concurrent: true }, () => {
  it("gets those over the limit again after a second and after another, then they are dead letters", async () => {
    const run = await demoOn(flightLines(20, 10));

    expect(run.exit).toBe(0);
    expect(run.stdout).toContain(
      [
        "late-flights: every message; delay over 300 fails, 2 retries after 1 s each",
        "  delivery  input  delivered",
        "  first        20         20",
        "  retry 1       2          2",
        "  retry 2       2          2",
        "  each delivery as in the input",
        "",
        "%DLQ%late-flights: what failed to the end",
        "  flight  origin  delay  reconsumeTimes",
        "  PHX-10  PHX       301               3",
        "  PHX-20  PHX       301               3",
        "  2 of 2, each late record of the input once",
        "",
      ].join("\n"),
    );
  });

  it("reads numbers that are written as text, as all of CSV is", async () => {
    const run = await demoOn("origin,delay\nA,301\nB,9\nC,\nD,late\nE, 1e3 \n", "--json");

    const { late } = json<DemoJson>(run);
    expect(run.exit).toBe(0);
    expect(late.measured).toBe(3);
    expect(late.attempts.map(({ delivered }) => delivered)).toEqual([5, 2, 2]);
    expect(late.deadLetters.letters).toMatchObject([
      { key: "A-1", tag: "A", value: 301 },
      { key: "E-5", tag: "E", value: 1_000 },
    ]);
  });

  it("takes the field of --late-field and the limit of --late-over", async () => {
    const stdin = '{"mag":5.25}\n{"mag":5.26}\n{"mag":-1}\n{"delay":999}\n';

    const run = await demoOn(stdin, "--late-field", "mag", "--late-over", "5.25");

    expect(run.exit).toBe(0);
    expect(run.stdout).toContain("late-flights: every message; mag over 5.25 fails, 2 retries after 1 s each\n");
    expect(run.stdout).toMatch(/^ {2}row-2 +\(none\) +5\.26 +3\n {2}1 of 1, each late record of the input once$/m);
  });

  it.each([
    [flightLines(3), 'late-flights: every message; none has a number in "delay", so nothing fails'],
    [flightLines(3, 100), "late-flights: every message; no delay is over 300, so nothing fails"],
    ["[1,null,[301]]", 'late-flights: every message; none has a number in "delay", so nothing fails'],
  ])("has nothing to fail on in %j, says so, and is checked all the same", async (stdin, title) => {
    const run = await demoOn(stdin);

    expect(run.exit).toBe(0);
    expect(run.stdout).toContain(
      [
        title,
        "  delivery  input  delivered",
        "  first         3          3",
        "  each delivery as in the input",
        "",
        "%DLQ%late-flights: nothing of this run",
        "",
      ].join("\n"),
    );
  });

  it("keeps the dead letters of earlier runs apart from those of this one", async () => {
    using folder = tempFolder();
    const args = [...ARGS, "--store", folder.file("a.db")];
    await runCli(args, { tmpdir: folder.path, stdin: flightLines(20, 10) });

    const run = await runCli(args, { tmpdir: folder.path, stdin: flightLines(5, 5) });

    expect(run.exit).toBe(0);
    expect(deadLettersIn(run)).toEqual({
      own: ["PHX-5"],
      verdict: "1 of 1, each late record of the input once",
      earlier: ["PHX-10", "PHX-20"],
    });
  });

  it("fails on what others left in the store too, waits for its retries, and does not count it", async () => {
    using folder = tempFolder();
    await using mq = await openBroker(folder.file("a.db"));
    await mq.producer({ group: "p" }).send({ topic: "flights", tag: "DFW", keys: ["old"], body: '{"delay":301}' });
    await mq.close();
    const args = [...ARGS, "--store", folder.file("a.db"), "--json"];

    const run = await runCli(args, { tmpdir: folder.path, stdin: flightLines(30) });

    const { late } = json<DemoJson>(run);
    expect(run.exit).toBe(0);
    expect(late.attempts.map(({ delivered }) => delivered)).toEqual([30, 0, 0]);
    expect(late.fromEarlierRuns).toBe(3);
    expect(late.deadLetters).toMatchObject({
      expected: 0,
      found: 0,
      ofEarlierRuns: 1,
      lettersOfEarlierRuns: [{ key: "old", value: 301, reconsumeTimes: 3 }],
    });
  });

  it("ends with 1 and shows what is missing when the retries never come", async () => {
    using folder = tempFolder();
    await using mq = await openBroker(folder.file("a.db"));
    // Without retry queues a message that fails is dropped.
    await mq.admin.createGroup("late-flights", { retryQueueNums: 0 });
    await mq.close();
    const args = [...ARGS, "--store", folder.file("a.db")];

    const run = await runCli(args, { tmpdir: folder.path, stdin: flightLines(20, 10) });

    expect(run.exit).toBe(1);
    expect(run.stdout).toContain(
      [
        "  first        20         20",
        "  retry 1       2          0",
        "  retry 2       2          0",
        "  NOT as in the input",
        "  ! retry 1: 0 delivered, 2 in the input, -2",
        "  ! retry 2: 0 delivered, 2 in the input, -2",
        "",
        "%DLQ%late-flights: what failed to the end",
        "  0 of 2, NOT as in the input",
        "  ! PHX: 0 dead letters, 2 in the input, -2",
        "  ! 2 late records without a dead letter",
        "",
      ].join("\n"),
    );
    expect(run.stdout).toContain("THE COUNTS DIFFER FROM THE INPUT; the store is whole.");
  });
});
