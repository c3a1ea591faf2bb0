import { ManualClock } from "../../lib/testing/virtual-clock.js";

/** The clock of the testing kit as specs use it: it does not wait for listeners, which stay where the spec keeps them, and tells which timers were left behind. */
export class VirtualClock extends ManualClock {
  #usual = 0;

  constructor(nowMs = 1_700_000_000_000) {
    super(nowMs, 0);
  }

  /** Armed, neither run nor cancelled; without those that a broker has for as long as it is open. */
  get pendingTimers(): number {
    return Math.max(0, this.armed - this.#usual);
  }

  /** So many timers are those of a broker that was opened, until what is returned is called: it is closed. */
  expectTimers(count: number): () => void {
    this.#usual += count;
    let isOver = false;
    return () => {
      if (!isOver) this.#usual -= count;
      isOver = true;
    };
  }
}
