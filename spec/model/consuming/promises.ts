/** From what a call returns to who awaits it. */
const MOST_MICROTASKS = 20;

/** Whatever is known within this turn of the event loop has reached whoever waits for it. */
export async function letPromisesSettle(): Promise<void> {
  for (let count = 0; count < MOST_MICROTASKS; count += 1) await Promise.resolve();
}
