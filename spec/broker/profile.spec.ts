import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { PROFILES } from "../../lib/broker/profile.js";

/** Rows of the table in PROFILES.md by their setting: its value in each profile, and what it means. */
function readTable(): ReadonlyMap<string, readonly string[]> {
  const text = readFileSync(new URL("../../lib/broker/PROFILES.md", import.meta.url), "utf8");
  const [header = "", _line, ...rows] = text.split("\n").filter((line) => line.startsWith("|"));
  expect(header).toBe("| setting | embedded | rocketmq | |");
  const cells = rows.map((row) =>
    row
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
  return new Map(cells.map(([setting = "", ...rest]) => [setting, rest]));
}

describe("PROFILES.md", () => {
  it("has a row for each setting of the profiles with its value in each, and no other row", () => {
    const { embedded, rocketmq } = PROFILES;
    const settings = Object.keys(embedded).filter((name) => name !== "name") as (keyof typeof embedded)[];

    const rows = [...readTable()].map(([setting, [ours, theirs]]) => [setting, ours, theirs]);

    expect(rows).toEqual(settings.map((name) => [name, String(embedded[name]), String(rocketmq[name])]));
  });

  it("lists differences only, and says what each is about", () => {
    const rows = [...readTable()];

    expect(rows.filter(([, [ours, theirs]]) => ours === theirs)).toEqual([]);
    expect(rows.filter(([, [, , meaning = ""]]) => meaning.length < 20)).toEqual([]);
  });
});

describe("the profiles", () => {
  it("have the same settings, each under its own name", () => {
    expect(Object.keys(PROFILES.rocketmq)).toEqual(Object.keys(PROFILES.embedded));
    expect(Object.entries(PROFILES).map(([name, profile]) => [name, profile.name])).toEqual([
      ["embedded", "embedded"],
      ["rocketmq", "rocketmq"],
    ]);
  });
});
