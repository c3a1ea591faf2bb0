import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { tempFolder } from "../support/temp-folder.js";

const root = join(import.meta.dirname, "../..");
const readme = readFileSync(join(root, "README.md"), "utf8");
const examples = [...readme.matchAll(/```js\n(.*?)```/gs)].map(([, code]) => code as string);

/** Runs an example as a user would, in a folder of its own with the package installed. */
function run(code: string): string {
  using folder = tempFolder();
  mkdirSync(join(folder.path, "node_modules"));
  symlinkSync(root, join(folder.path, "node_modules/pocketmq"));
  symlinkSync(join(root, "node_modules/better-sqlite3"), join(folder.path, "node_modules/better-sqlite3"));
  writeFileSync(join(folder.path, "example.mjs"), code);
  return execFileSync(process.execPath, ["example.mjs"], { cwd: folder.path, encoding: "utf8", timeout: 20_000 });
}

describe("README", () => {
  it("opens with one sentence and the two commands", () => {
    const [sentence, , ...block] = readme.split("\n");

    expect(sentence).toMatch(/^PocketMQ is [^.]+\.$/);
    expect(block.slice(0, 3).join("\n")).toMatch(/^```sh\nnpm install && npm start .*\nnpm install && npm test /);
  });

  it("has a first example of fifteen statements' lines that runs as it stands", () => {
    const [first] = examples as [string, string];

    const output = run(first);

    expect(output).toBe("created 49.9\n");
    expect(first.split("\n").filter((line) => line.trim() !== "").length).toBeLessThanOrEqual(15);
  });

  it("has a second example that stores rows and messages together", () => {
    const [, second] = examples as [string, string];

    expect(run(second)).toBe("1 stored\n");
  });

  it("has a third example whose message fails twice and is shown to everybody", () => {
    const [, , third] = examples as [string, string, string];

    expect(run(third)).toBe("the lobby shows o-1003\ndead letter o-1003 after 2 attempts\n");
  });

  it("has a fourth example that keeps the order of each order and of everything, through a failure", () => {
    const lines = run(examples[3] as string)
      .trim()
      .split("\n");

    const ofTopic = (topic: string): string[] => lines.filter((line) => line.startsWith(topic));
    expect(ofTopic("order-events")).toEqual(["created", "paid", "shipped"].map((step) => `order-events o-1 ${step}`));
    expect(ofTopic("ledger")).toEqual(["created", "paid", "shipped"].map((step) => `ledger all o-1 ${step}`));
  });

  it("has a fifth example that reads back and forth, and takes and acknowledges", () => {
    const lines = run(examples[4] as string).trim();

    expect(lines).toMatch(
      /^read (created\nread paid|paid\nread created)\nagain [12] at least\nshipped (created|paid)$/,
    );
  });

  it("has a sixth example that puts one message off and calls another one back", () => {
    expect(run(examples[5] as string)).toBe("o-1004 was not paid in time\n");
  });

  it("has a seventh example whose messages appear when what they tell of is known", () => {
    expect(run(examples[6] as string)).toBe("ship o-1006\nship o-1007\n");
  });

  it("has an eighth example in which five hours pass at once", () => {
    expect(run(examples[7] as string)).toBe("1 consumed after 17 attempts, 0 problems\n");
  });

  it("has a ninth example that lets other clients in", () => {
    expect(run(examples[8] as string)).toMatch(/^setNamesrvAddr\( 127\.0\.0\.1:\d+ \)\n$/);
  });

  it("links only to files that exist", () => {
    for (const [, target] of readme.matchAll(/\]\(([^)#]+)\)/g)) {
      expect(() => readFileSync(join(root, target as string))).not.toThrow();
    }
  });
});
