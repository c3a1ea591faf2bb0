/** Lets so many work at once, and so many others wait for their turn, in the order in which they came. */
export class CheckSlots {
  readonly #count: number;
  readonly #maxWaiting: number;
  #taken = 0;
  #waiting: ((isMine: boolean) => void)[] = [];
  #isClosed = false;

  constructor(count: number, maxWaiting: number) {
    this.#count = count;
    this.#maxWaiting = maxWaiting;
  }

  /** How many more would work at once. */
  get free(): number {
    return this.#count - this.#taken;
  }

  /** Resolves with false, and then nothing is taken, when too many wait already or {@link CheckSlots.close} comes first. */
  async take(): Promise<boolean> {
    if (this.#isClosed) return false;
    if (this.#taken >= this.#count) {
      if (this.#waiting.length >= this.#maxWaiting) return false;
      return new Promise((resolve) => this.#waiting.push(resolve));
    }
    this.#taken += 1;
    return true;
  }

  /** Whoever waits longest takes it. */
  release(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#taken -= 1;
    else next(true);
  }

  /** Nobody waits any more. */
  close(): void {
    this.#isClosed = true;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve(false);
  }
}
