import { randomInt } from "node:crypto";

/** Where a broker and its clients get their chance from: queue starts, jitter, random selectors. */
export interface Chance {
  /** An integer from 0 to `bound - 1`, each equally likely. `bound` is an integer from 1 to 2 ** 32. */
  nextInt(bound: number): number;
}

/** Node's random generator; the same under fakes and spies of `Math.random`. */
export const systemChance: Chance = { nextInt: (bound) => randomInt(bound) };

/**
 * Always the same numbers for the same seed, so that a failure found by chance can be repeated. Not for secrets.
 *
 * Mulberry32 by Tommy Ettinger (public domain): 32 bits of state, period 2 ** 32, passes gjrand's 13 tests.
 *
 * @param seed - of which the lower 32 bits count.
 */
export function seededChance(seed: number): Chance {
  let state = seed >>> 0;
  const nextUint32 = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  return {
    nextInt: (bound) => {
      // Numbers beyond the last whole multiple of the bound would make the small results likelier.
      const limit = 2 ** 32 - (2 ** 32 % bound);
      for (;;) {
        const drawn = nextUint32();
        if (drawn < limit) return drawn % bound;
      }
    },
  };
}
