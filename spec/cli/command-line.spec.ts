import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { tempFolder } from "../support/temp-folder.js";
import { type CliRun, ended, flightLines, runCli, startCli } from "./run-cli.js";

async function run(...args: readonly string[]): Promise<CliRun> {
  using folder = tempFolder();
  return await runCli(args, { tmpdir: folder.path });
}

describe("the command line", () => {
  it("tells the version of the package", async () => {
    const manifest = readFileSync(join(import.meta.dirname, "../../package.json"), "utf8");

    const { exit, stdout } = await run("--version");

    expect(exit).toBe(0);
    expect(stdout).toBe(`${(JSON.parse(manifest) as { readonly version: string }).version}\n`);
  });

  it("lists its commands with --help, and a command's options with --help behind it", async () => {
    const general = await run("--help");
    const demo = await run("demo", "--help");

    expect(general).toMatchObject({ exit: 0, stderr: "" });
    expect(general.stdout).toMatch(/^ {2}demo {3}\w/m);
    expect(general.stdout).toMatch(/^ {2}serve {2}\w/m);
    expect(demo).toMatchObject({ exit: 0, stderr: "" });
    for (const option of ["--input", "--tag-field", "--late-field", "--late-over", "--store", "--resume", "--json"]) {
      expect(demo.stdout).toContain(`  ${option} `);
    }
  });

  it.each([
    [[], "pocketmq: a command is missing\n"],
    [["publish"], "pocketmq: there is no command publish; this version has demo, serve\n"],
    [["--verbose"], "pocketmq: there is no option --verbose; this version has --help, --version\n"],
    [["demo"], "pocketmq: demo needs --input FILE (- is standard input), or --resume\n"],
    [
      ["demo", "--inptu", "a"],
      "pocketmq: demo: Unknown option '--inptu'; it has --input, --tag-field, --late-field, --late-over, --store, --resume, --json and the word transactions\n",
    ],
    [["demo", "file.json"], "pocketmq: demo: Unexpected argument 'file.json'; it has --input, "],
    [["demo", "--input"], "pocketmq: demo: Option '--input <value>' argument missing; it has --input, "],
    [["demo", "--input", ""], "pocketmq: --input must not be empty\n"],
    [["demo", "--input", "-", "--late-field", ""], "pocketmq: --late-field must not be empty\n"],
    [["demo", "--input", "-", "--late-over", "5 h"], 'pocketmq: --late-over must be a number, got "5 h"\n'],
    [["demo", "--input", "-", "--store", ":memory:"], "pocketmq: --store must be a file: "],
  ] as const)("refuses %j with what there is, and 2", async (args, message) => {
    const { exit, stdout, stderr } = await run(...args);

    expect(exit).toBe(2);
    expect(stderr.startsWith(message)).toBe(true);
    expect(stdout).toBe("");
  });

  it("finishes its work when nobody reads what it says", async () => {
    using folder = tempFolder();
    const child = startCli(["demo", "--input", "-", "--store", folder.file("a.db")], folder.path);
    child.stdout.destroy();
    child.stdin.end(flightLines(400));
    const { exit, stderr } = await ended(child);

    const resumed = await runCli(["demo", "--resume", "--store", folder.file("a.db")], { tmpdir: folder.path });

    expect(exit).toBe(0);
    expect(stderr).not.toContain("EPIPE");
    expect(resumed.stdout).toContain("sent 400 records");
  });

  it("ends at SIGINT while it waits for its input, with 130 and no store", async () => {
    using folder = tempFolder();
    const child = startCli(["demo", "--input", "-"], folder.path);
    const line = `{"origin":"DFW","pad":"${"x".repeat(200)}"}\n`;
    // More than a pipe holds, so that it has begun to read; fewer than the records it reads before it opens a store.
    child.stdin.write(line.repeat(9_000), () => child.kill("SIGINT"));

    const run = await ended(child);

    expect(run).toMatchObject({ exit: 130, stdout: "", stderr: "pocketmq: ended by SIGINT\n" });
    expect(readdirSync(folder.path)).toEqual([]);
  });
});
