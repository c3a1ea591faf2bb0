import { seededChance } from "../../../dist/cjs/time/chance.js";

/** Numbers from 0 up to 1, always the same for the same seed. */
export function seededRandom(seed) {
  const chance = seededChance(seed);
  return () => chance.nextInt(2 ** 32) / 2 ** 32;
}
