export interface CheckSlotsOptions {
  /** How many work at once. */
  readonly count: number;
  /** How many others wait. */
  readonly maxWaiting: number;
  /** What those that wait may hold in memory, but for the first of them. */
  readonly maxWaitingBytes: number;
}

interface Waiting {
  readonly bytes: number;
  readonly resolve: (isMine: boolean) => void;
}

/** Lets some work at once, and others wait for their turn, in the order in which they came. */
export class CheckSlots {
  readonly #options: CheckSlotsOptions;
  #taken = 0;
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #isClosed = false;

  constructor(options: CheckSlotsOptions) {
    this.#options = options;
  }

  /** How many more would work at once. */
  get free(): number {
    return this.#options.count - this.#taken;
  }

  /** Resolves with false, and then nothing is taken, when too many wait already or {@link CheckSlots.close} comes first. */
  async take(bytes: number): Promise<boolean> {
    if (this.#isClosed) return false;
    if (this.#taken >= this.#options.count) {
      if (!this.#hasPlaceFor(bytes)) return false;
      this.#waitingBytes += bytes;
      return new Promise((resolve) => this.#waiting.push({ bytes, resolve }));
    }
    this.#taken += 1;
    return true;
  }

  /** Whoever waits longest takes it. */
  release(): void {
    const next = this.#waiting.shift();
    if (next === undefined) {
      this.#taken -= 1;
      return;
    }
    this.#waitingBytes -= next.bytes;
    next.resolve(true);
  }

  /** Nobody waits any more. */
  close(): void {
    this.#isClosed = true;
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#waitingBytes = 0;
    for (const { resolve } of waiting) resolve(false);
  }

  #hasPlaceFor(bytes: number): boolean {
    const { maxWaiting, maxWaitingBytes } = this.#options;
    const { length } = this.#waiting;
    return length < maxWaiting && (length === 0 || this.#waitingBytes + bytes <= maxWaitingBytes);
  }
}
