import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { differences, idle, judge, readRows } from "./compare.mjs";

const rocketmq = {
  first: { code: 0, fields: { offset: "1" } },
  second: { code: 17, body: [{ id: "a" }, { id: "b" }] },
};

function table(...rows: readonly string[]): ReturnType<typeof readRows> {
  return readRows(
    `# Page\n\n## Differential\n\n| | a | b | c |\n|---|---|---|---|\n${rows.join("\n")}\n\n## More\n| \`x/y\` | a | b | c |\n`,
  );
}

describe("two histories", () => {
  it("do not differ when every step led to the same", () => {
    expect(differences("play", rocketmq, structuredClone(rocketmq))).toEqual([]);
  });

  it("differ in each value that is another, missing or more, named by its step and the path to it", () => {
    const pocketmq = {
      first: { code: 1, fields: { offset: "1", more: "x" } },
      second: { code: 17, body: [{ id: "a" }] },
    };

    expect(differences("play", rocketmq, pocketmq)).toEqual([
      { step: "play/first", path: "code", rocketmq: 0, pocketmq: 1 },
      { step: "play/first", path: "fields.more", rocketmq: undefined, pocketmq: "x" },
      { step: "play/second", path: "body.1", rocketmq: { id: "b" }, pocketmq: undefined },
    ]);
  });

  it("differ in a step that only one of them has", () => {
    const { first } = rocketmq;

    expect(differences("play", rocketmq, { first })).toMatchObject([{ step: "play/second", path: "" }]);
  });
});

describe("the table of differences", () => {
  const found = differences("play", rocketmq, { ...rocketmq, second: { code: 1, body: rocketmq.second.body } });

  it.each([
    ["the step", "| `play/second` | says `17` | says `1` | why not |"],
    ["what differs in it", "| `play/second: code` | says `17` | says `1` | why not |"],
    ["its beginning", "| `play/*` | says `17` | says `1` | why not |"],
  ])("gives a reason when a row names %s", (_what, row) => {
    expect([...judge(found, table(row)), ...idle(found, table(row))]).toEqual([]);
  });

  it("is wrong where a difference has no row, a row says what is not so, or nothing differs any more", () => {
    expect(judge(found, table())).toMatchObject([expect.stringMatching(/^no row for play\/second: code/)]);
    expect(judge(found, table("| `play/second: body` | a | b | c |"))).toHaveLength(1);
    expect(judge(found, table("| `play/second` | says `18` | says `1` | c |"))).toHaveLength(1);
    expect(idle(found, table("| `play/second`, `play/first` | a | b | c |"))).toHaveLength(1);
    expect(idle(found, table("| `play/second` | a | b |  |"))).toHaveLength(1);
  });

  it("is that of COMPATIBILITY.md, whose rows all have ids and a reason", () => {
    const rows = readRows(readFileSync(new URL("../../lib/wire/COMPATIBILITY.md", import.meta.url), "utf8"));

    expect(rows.length).toBeGreaterThan(10);
    expect(rows.filter(({ ids, why }) => ids.length === 0 || why === "")).toEqual([]);
  });
});
