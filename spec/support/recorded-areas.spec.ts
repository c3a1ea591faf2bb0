import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

/** Where areas are listed, fact by fact, as compared with us or as out of scope for a reason. */
const LISTS = ["../message/recorded-facts.spec.ts", "../client/recorded-facts.spec.ts"] as const;

describe("the recorded facts", () => {
  it("are listed area by area: no file of them is forgotten", () => {
    const lists = LISTS.map((list) => readFileSync(new URL(list, import.meta.url), "utf8"));
    const areas = readdirSync(new URL("../facts", import.meta.url)).map((file) => file.replace(".json", ""));

    // The key of an area in a list of coverage, as `"filters-live": {` or `groups: {`.
    const isListed = (area: string) => lists.some((list) => new RegExp(`^  "?${area}"?: \\{$`, "m").test(list));

    expect(areas.filter((area) => !isListed(area))).toEqual([]);
  });
});
