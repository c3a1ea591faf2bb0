import { describe, expect, it } from "vitest";
import { Progress } from "../../lib/cli/progress.js";
import { RowSet } from "../../lib/cli/row-set.js";
import { table, tableInBlocks } from "../../lib/cli/table.js";
import { TagCounts } from "../../lib/cli/tag-counts.js";

function counts(...tags: readonly (string | undefined)[]): TagCounts {
  const made = new TagCounts();
  for (const tag of tags) made.add(tag, 10);
  return made;
}

describe("TagCounts", () => {
  it("ranks by frequency, then by name, what has no tag last", () => {
    const ranked = counts("b", undefined, "a", "c", undefined, undefined, "c").ranked();

    expect(ranked.map(({ tag, count }) => [tag, count])).toEqual([
      ["c", 2],
      ["a", 1],
      ["b", 1],
      [undefined, 3],
    ]);
  });

  it("finds each tag with another count, on either side", () => {
    const differences = counts("a", "a", "c").differences(counts("a", "b", "b", "c"));

    expect(differences.map(({ tag, expected, counted }) => [tag, expected.count, counted.count])).toEqual([
      ["b", 2, 0],
      ["a", 1, 2],
    ]);
  });

  it("finds a tag whose bodies have another length", () => {
    const longer = new TagCounts();
    longer.add("a", 11);

    expect(longer.differences(counts("a"))).toHaveLength(1);
    expect(counts("a").differences(counts("a"))).toEqual([]);
  });

  it("takes a part by tags", () => {
    const part = counts("a", "b", "b", undefined).restrictedTo(new Set(["b", "x"]));

    expect(part.total).toBe(2);
    expect(part.bytes).toBe(20);
    expect(part.ranked()).toEqual([{ tag: "b", count: 2, bytes: 20 }]);
  });
});

describe("RowSet", () => {
  it("tells a row that was there before, however large", () => {
    const rows = new RowSet();

    const added = [0, 7, 8, 1_000_000, 7, 8_191, 8_192, 1_000_000].map((row) => rows.add(row));

    expect(added).toEqual([true, true, true, true, false, true, true, false]);
    expect(rows.size).toBe(6);
    expect([0, 1, 8, 8_192, 1_000_000, 9_999_999].map((row) => rows.has(row))).toEqual([
      true,
      false,
      true,
      true,
      true,
      false,
    ]);
  });
});

describe("table", () => {
  const columns = [
    { title: "tag", align: "left" },
    { title: "n", align: "right" },
  ] as const;

  it("is as wide as its widest cells", () => {
    expect(
      table(columns, [
        ["a", "1,000"],
        ["long name", "2"],
      ]),
    ).toBe(["  tag            n", "  a          1,000", "  long name      2", ""].join("\n"));
  });

  it("stands in as many blocks as fit, read downwards", () => {
    const rows = Array.from({ length: 11 }, (_, at) => [`t${at}`, "1"]);

    expect(tableInBlocks(columns, rows, 24)).toBe(
      [
        "  tag  n    tag  n",
        "  t0   1    t6   1",
        "  t1   1    t7   1",
        "  t2   1    t8   1",
        "  t3   1    t9   1",
        "  t4   1    t10  1",
        "  t5   1",
        "",
      ].join("\n"),
    );
  });

  it("stays one block where the width has no room for two", () => {
    expect(
      tableInBlocks(
        columns,
        Array.from({ length: 20 }, () => ["a", "1"]),
        5,
      ).split("\n"),
    ).toHaveLength(22);
  });
});

describe("Progress", () => {
  const output = (
    isTTY: boolean,
  ): { readonly written: string[]; readonly isTTY: boolean; readonly columns: number; write(text: string): void } => {
    const written: string[] = [];
    return { written, isTTY, columns: 31, write: (text) => void written.push(text) };
  };

  it("draws a bar over itself on a terminal, never wider than it, and takes it away", () => {
    const terminal = output(true);
    const progress = new Progress(terminal);

    progress.show(0.5, () => "some text");
    progress.clear();
    progress.clear();

    expect(terminal.written).toEqual(["\r[############------------]  50\u001b[K", "\r\u001b[K"]);
  });

  it("prints a line a quarter elsewhere", () => {
    const pipe = output(false);
    const progress = new Progress(pipe);

    for (const fraction of [0, 0.1, 0.25, 0.3, 0.74, 0.99, 1, 1]) progress.show(fraction, () => "x");
    progress.clear();

    expect(pipe.written).toEqual([" 25 %  x\n", " 74 %  x\n", " 99 %  x\n", "100 %  x\n"]);
  });

  it("prints a first line of what has no known end", () => {
    const pipe = output(false);
    const progress = new Progress(pipe);

    for (let time = 0; time < 3; time += 1) progress.show(undefined, () => `x ${time}`);

    expect(pipe.written).toEqual(["x 0\n"]);
  });
});
