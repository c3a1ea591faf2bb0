/** `width` loops, each awaiting its own sends, until `count` were sent. */
export async function sendFromLoops(count, width, send) {
  let left = count;
  const loop = async () => {
    while (left > 0) {
      left -= 1;
      await send();
    }
  };
  await Promise.all(Array.from({ length: width }, loop));
}

/** Numbered bodies in batches of a thousand, one batch after the other. */
export async function fillInBatches(count, bodyOf, sendBatch) {
  for (let next = 0; next < count; next += 1_000) {
    const size = Math.min(1_000, count - next);
    await sendBatch(Array.from({ length: size }, (_, index) => bodyOf(next + index)));
  }
}
