/** Of Guava's generator of pseudo-random numbers, `state * MULTIPLIER + 1` in 64 bits. */
const MULTIPLIER = 2862933555777941757n;

/**
 * One of so many buckets for a 32-bit integer: always the same one, and with one bucket more another one only if it is the new one.
 *
 * 0.1 µs for 8 buckets; halves of 32 bits in place of bigints took a third of that, which is not worth their code.
 *
 * Source: Guava 32.0.1, `com/google/common/hash/Hashing.java`, `consistentHash`.
 *
 * @param buckets - 1 to 2,147,483,647.
 */
export function consistentHash(input: number, buckets: number): number {
  let state = BigInt(input);
  let bucket = 0;
  for (;;) {
    state = BigInt.asUintN(64, state * MULTIPLIER + 1n);
    // Guava's `int` overflows for the highest states: the fraction is then -1.
    const fraction = ((Number(state >> 33n) + 1) | 0) / 2 ** 31;
    const next = Math.trunc((bucket + 1) / fraction);
    if (next < 0 || next >= buckets) return bucket;
    bucket = next;
  }
}
