import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { tempFolder } from "../support/temp-folder.js";
import { ended, flightLines, json, type ResumeJson, runCli, startCli } from "./run-cli.js";

/** A run that has sent and consumed some messages and waits for more. */
async function startedRun(tmpdir: string): Promise<ReturnType<typeof startCli>> {
  const child = startCli(["demo", "--input", "-"], tmpdir);
  // Ending the process breaks the pipe to it.
  child.stdin.on("error", () => undefined);
  child.stdin.write(flightLines(30_000));
  await once(child.stderr, "data");
  return child;
}

describe("pocketmq demo --resume", () => {
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
    ]);
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

    const [board] = json<ResumeJson>(first).groups;
    expect(interrupted.exit).toBe(exit);
    expect(first.exit).toBe(0);
    expect(json<ResumeJson>(first).lastRun.finished).toBeUndefined();
    expect(board?.delivered).toBe(board?.lagBefore);
    expect(board?.lagAfter).toBe(0);
    expect(json<ResumeJson>(second).groups).toMatchObject([{ delivered: 0 }, { delivered: 0 }]);
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
