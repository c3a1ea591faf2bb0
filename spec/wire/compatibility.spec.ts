import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type FactArea, loadFacts } from "../support/facts.js";
import { COVERED_FACTS, type CoveredFacts } from "./covered-facts.js";

interface Reasoned {
  readonly area: string;
  readonly facts: readonly string[];
  readonly kind: string;
  readonly why: string;
}

const areas = Object.entries(COVERED_FACTS) as [FactArea, CoveredFacts][];
const compatibility = readFileSync(new URL("../../lib/wire/COMPATIBILITY.md", import.meta.url), "utf8");

/** The rows of the table of recorded facts. */
const reasoned: readonly Reasoned[] = [
  ...compatibility.matchAll(/^\| (?<area>[a-z-]+) \| (?<facts>`.*?`) \| (?<kind>[a-z ]+) \| (?<why>.*) \|$/gm),
].map(({ groups: { area = "", facts = "", kind = "", why = "" } = {} }) => ({
  area,
  facts: [...facts.matchAll(/`([^`]+)`/g)].map(([, fact = ""]) => fact),
  kind,
  why,
}));

function matches(fact: string, pattern: string): boolean {
  return pattern.endsWith("*") ? fact.startsWith(pattern.slice(0, -1)) : fact === pattern;
}

function patternsOf(area: FactArea): readonly string[] {
  const rows = reasoned.filter((row) => row.area === area);
  return [...Object.values(COVERED_FACTS[area]).flat(), ...rows.flatMap(({ facts }) => facts)];
}

describe.each(areas)("the recorded facts of %s", (area, covered) => {
  const { names } = loadFacts(area);

  it("are each compared with us or have a row in COMPATIBILITY.md, once", () => {
    const patterns = patternsOf(area);

    const found = names.map((fact) => [fact, patterns.filter((pattern) => matches(fact, pattern))] as const);

    expect(found.filter(([, matching]) => matching.length !== 1)).toEqual([]);
  });

  it("exist as they are named in both lists", () => {
    const unknown = patternsOf(area).filter((pattern) => !names.some((fact) => matches(fact, pattern)));

    expect(unknown).toEqual([]);
  });

  it.each(Object.entries(covered))("are compared with us in %s", (spec, facts) => {
    const source = readFileSync(new URL(`../${spec}`, import.meta.url), "utf8");
    const named = facts.map((fact) => fact.replace(/\*$/, ""));

    const missing = named.filter((name) => !source.includes(name) && !source.includes(name.replace(/^raw-send-/, "")));

    expect(source).toContain(`loadFacts("${area}")`);
    expect(missing).toEqual([]);
  });
});

describe("COMPATIBILITY.md", () => {
  it("has a row for no area that was not recorded", () => {
    expect(reasoned.filter(({ area }) => !(area in COVERED_FACTS))).toEqual([]);
  });

  it("says of each row whether it differs, belongs to the wire or is not there yet, and why", () => {
    const unclear = reasoned.filter(({ kind, why }) => !["differs", "wire", "not yet"].includes(kind) || why === "");

    expect(reasoned.length).toBeGreaterThan(10);
    expect(unclear).toEqual([]);
  });
});

describe("the files of recorded facts", () => {
  it("are all listed: none of them is forgotten", () => {
    const files = readdirSync(new URL("../facts", import.meta.url)).filter((file) => file.endsWith(".json"));

    expect(files.map((file) => file.replace(".json", "")).sort()).toEqual(Object.keys(COVERED_FACTS).sort());
  });
});
