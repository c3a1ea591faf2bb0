// Choices that a seed decides.

import { seededChance as chanceOf } from "../../../dist/cjs/time/chance.js";

export function seededChance(seed) {
  const chance = chanceOf(seed);
  return {
    /** From 0 to `bound - 1`. */
    below: (bound) => chance.nextInt(bound),
    between: (min, max) => min + chance.nextInt(max - min + 1),
    pick: (items) => items[chance.nextInt(items.length)],
    /** True once in `times`. */
    oneIn: (times) => chance.nextInt(times) === 0,
  };
}
