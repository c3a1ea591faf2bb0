/** From a pull that is answered from memory to who awaits a poll. */
const MOST_MICROTASKS = 60;

/** Whatever is known within this turn of the event loop has reached whoever waits for it. */
export async function letPromisesSettle(): Promise<void> {
  for (let count = 0; count < MOST_MICROTASKS; count += 1) await Promise.resolve();
}
