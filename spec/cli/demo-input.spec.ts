import { writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { tempFolder } from "../support/temp-folder.js";
import { type CliRun, type DemoJson, ended, json, runCli, startCli } from "./run-cli.js";

/** Runs the demo on a file of this name and text. */
async function demoOn(name: string, text: string | Uint8Array, ...options: readonly string[]): Promise<CliRun> {
  using folder = tempFolder();
  writeFileSync(folder.file(name), text);
  const run = await runCli(["demo", "--input", folder.file(name), ...options], { tmpdir: folder.path });
  return { ...run, stderr: run.stderr.replaceAll(`${folder.path}/`, "") };
}

async function demoOnStdin(stdin: string): Promise<CliRun> {
  using folder = tempFolder();
  return await runCli(["demo", "--input", "-", "--json"], { tmpdir: folder.path, stdin });
}

function tags(run: CliRun): readonly (readonly [string | undefined, number])[] | undefined {
  return json<DemoJson>(run).groups[0]?.tags.map(({ tag, consumed }) => [tag, consumed]);
}

describe("pocketmq demo --input", () => {
  it.each([
    ["a.ndjson", '{"origin":"X"}\n\n{"origin":"Y"}\n{"origin":"X"}'],
    ["a.jsonl", '{"origin":"X"}\r\n{"origin":"Y"}\r\n{"origin":"X"}\r\n'],
    ["a.json", '[{"origin":"X"}, {"origin":"Y"},\n {"origin":"X"}]\n'],
    ["a.json", '{"origin":"X"}\n{"origin":"Y"}\n{"origin":"X"}\n'],
    ["a.csv", 'id,origin\n1,X\n2,"Y"\n3,X\n'],
    ["a.txt", '  [{"origin":"X"},{"origin":"Y"},{"origin":"X"}]'],
    ["A.CSV", "\ufefforigin\nX\nY\nX\n"],
  ])("reads %s, whatever the layout", async (name, text) => {
    const run = await demoOn(name, text, "--json");

    expect(run.exit).toBe(0);
    expect(tags(run)).toEqual([
      ["X", 2],
      ["Y", 1],
    ]);
  });

  it.each([
    ["NDJSON", '{"origin":"X"}\n{"origin":"Y"}\n'],
    ["a JSON array", '\n[{"origin":"X"},{"origin":"Y"}]'],
    ["CSV", "origin,delay\nX,1\nY,2\n"],
  ])("knows %s on standard input by its first character", async (_, text) => {
    const run = await demoOnStdin(text);

    expect(tags(run)).toEqual([
      ["X", 1],
      ["Y", 1],
    ]);
  });

  it("takes the tag from the field of --tag-field, and gives none where it is missing", async () => {
    const run = await demoOn(
      "a.ndjson",
      '{"kind":1}\n{"kind":true}\n{"other":2}\n5\n',
      "--tag-field",
      "kind",
      "--json",
    );

    expect(run.exit).toBe(0);
    expect(tags(run)).toEqual([
      ["1", 1],
      ["true", 1],
      [undefined, 2],
    ]);
  });

  it("leaves the second group out when no record has a tag", async () => {
    const run = await demoOn("a.csv", "a,b\n1,2\n", "--json");

    expect(run.exit).toBe(0);
    expect(json<DemoJson>(run).groups.map(({ group }) => group)).toEqual(["departure-board"]);
  });

  it.each([
    ["a.ndjson", '{"a":1}\n\n{"a":}\n', /^pocketmq: a\.ndjson: line 3: not valid JSON: /],
    ["a.json", '[{"a":1},\n{"a":1},\n\n nonsense]', /^pocketmq: a\.json: line 4: not valid JSON: /],
    ["a.json", '[{"a":1}', /^pocketmq: a\.json: line 1: the input ends before the array does\n$/],
    ["a.csv", 'a,b\n1,"x\ny"\n1\n', /^pocketmq: a\.csv: line 4: the row has 1 fields, the first row names 2\n$/],
    ["a.csv", "a,b\n", /^pocketmq: \S*a\.csv has no records\n$/],
    ["a.json", "[ ]", /^pocketmq: \S*a\.json has no records\n$/],
    ["a.ndjson", "", /^pocketmq: \S*a\.ndjson has no records\n$/],
    ["a.csv", Uint8Array.of(0x61, 0xff, 0x0a), /^pocketmq: a\.csv: it is not UTF-8 text\n$/],
    ["a.csv", Uint8Array.of(0x61, 0x0a, 0x31, 0xc3), /^pocketmq: a\.csv: it is not UTF-8 text\n$/],
  ])("refuses %s with %j and says where", async (name, text, message) => {
    const run = await demoOn(name, text);

    expect(run.exit).toBe(1);
    expect(run.stderr).toMatch(message);
    expect(run.stdout).toBe("");
  });

  it("ends at a wrong line though standard input stays open", async () => {
    using folder = tempFolder();
    const child = startCli(["demo", "--input", "-"], folder.path);
    child.stdin.write('{"a":1}\n{"a":\n');

    const run = await ended(child);

    expect(run.exit).toBe(1);
    expect(run.stderr).toMatch(/^pocketmq: standard input: line 2: not valid JSON: /);
  });

  it("refuses a file that is not there, and a folder", async () => {
    using folder = tempFolder();
    const tmpdir = folder.path;

    const missing = await runCli(["demo", "--input", folder.file("none.json")], { tmpdir });
    const directory = await runCli(["demo", "--input", tmpdir], { tmpdir });

    expect(missing).toMatchObject({ exit: 1, stderr: `pocketmq: there is no file ${folder.file("none.json")}\n` });
    expect(directory).toMatchObject({ exit: 1, stderr: `pocketmq: ${tmpdir} is a folder, not a file\n` });
  });

  it("refuses a store that is none of ours and leaves it as it was", async () => {
    using folder = tempFolder();
    const store = folder.file("a.db");
    writeFileSync(store, "something else");

    const run = await runCli(["demo", "--input", "-", "--store", store], { tmpdir: folder.path, stdin: "a\n1\n" });

    expect(run.exit).toBe(1);
    expect(run.stderr).toMatch(/^pocketmq: .*\(ERR_MQ_STORE_FORMAT\)\n$/);
    expect(run.stdout).toBe("");
  });
});
