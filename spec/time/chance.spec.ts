import { describe, expect, it } from "vitest";
import { type Chance, seededChance, systemChance } from "../../lib/time/chance.js";

function draw(chance: Chance, bound: number, count: number): number[] {
  return Array.from({ length: count }, () => chance.nextInt(bound));
}

describe("seededChance", () => {
  it("repeats the reference sequence of Mulberry32", () => {
    // Divided by 2 ** 32: 0.6011, 0.4483, 0.8525, 0.6697, as published for seed 42.
    expect(draw(seededChance(42), 2 ** 32, 4)).toEqual([2_581_720_956, 1_925_393_290, 3_661_312_704, 2_876_485_805]);
  });

  it("differs from seed to seed", () => {
    expect(draw(seededChance(1), 1_000_000, 4)).not.toEqual(draw(seededChance(2), 1_000_000, 4));
  });
});

describe.each([
  { name: "systemChance", chance: systemChance },
  { name: "seededChance", chance: seededChance(7) },
])("$name", ({ chance }) => {
  it("stays below its bound and reaches every number", () => {
    expect([...new Set(draw(chance, 5, 1_000))].toSorted()).toEqual([0, 1, 2, 3, 4]);
  });

  it("always gives 0 below a bound of 1", () => {
    expect(new Set(draw(chance, 1, 100))).toEqual(new Set([0]));
  });

  it("favours no number, for a bound that does not divide its range either", () => {
    const bound = 3 * 2 ** 30;

    const low = draw(chance, bound, 20_000).filter((number) => number < bound / 3).length;

    expect(low / 20_000).toBeGreaterThan(0.31);
    expect(low / 20_000).toBeLessThan(0.36);
  });
});
