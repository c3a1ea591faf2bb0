import { describe, expect, it } from "vitest";
import { tempFolder } from "../support/temp-folder.js";
import { type CliRun, type DemoJson, json, runCli } from "./run-cli.js";

async function demoOn(stdin: string, ...options: readonly string[]): Promise<CliRun> {
  using folder = tempFolder();
  return await runCli(["demo", "--input", "-", ...options], { tmpdir: folder.path, stdin });
}

describe("the broadcasting pair", () => {
  it("shows of each tag how many records there were and the largest number, and agrees", async () => {
    const run = await demoOn("origin,delay\nA,-5\nB,7.5\nA,-9\nA,\nC,x\n");

    expect(run.exit).toBe(0);
    expect(run.stdout).toContain(
      [
        "gate-displays: every message to display-a and display-b each (broadcasting)",
        "  origin  count  max delay",
        "  A           3         -5",
        "  B           1        7.5",
        "  C           1          -",
        "  display-a and display-b agree, and with the input: 3 entries each",
        "",
      ].join("\n"),
    );
  });

  it("shows counts alone where no record has a number", async () => {
    const run = await demoOn('{"origin":"A"}\n{"origin":"A"}\n{}\n');

    expect(run.exit).toBe(0);
    expect(run.stdout).toContain(
      "(broadcasting)\n  origin  count\n  A           2\n  (none)      1\n  display-a and display-b agree, and with the input: 2 entries each\n",
    );
  });

  it("shows the twelve most frequent tags, and how many others agree", async () => {
    const lines = Array.from({ length: 15 }, (_, at) => `{"origin":"T${at}"}\n`.repeat(15 - at));

    const run = await demoOn(lines.join(""));

    const [, board = ""] = run.stdout.split("gate-displays");
    expect(board).toMatch(/^ {2}T0 +15 .*T\d+ +\d+/m);
    expect(board).toContain("T11");
    expect(board).not.toContain("T12");
    expect(board).toContain("  … and 3 entries more\n");
    expect(board).toContain("agree, and with the input: 15 entries each\n");
  });

  it("gives machines both boards and that of the input", async () => {
    const run = await demoOn(
      '{"kind":1,"mag":2}\n{"kind":1,"mag":3}\n',
      ...["--tag-field", "kind"],
      ...["--late-field", "mag"],
      "--json",
    );

    const { isRight, expected, displays } = json<DemoJson>(run).displays;
    expect(isRight).toBe(true);
    expect(expected).toEqual([{ tag: "1", count: 2, largest: 3 }]);
    expect(displays.map(({ board }) => board)).toEqual([expected, expected]);
  });
});
