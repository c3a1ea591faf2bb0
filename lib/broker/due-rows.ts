/** Rows of one kind that become due, of which {@link DueScheduler} moves those whose time has come. */
export interface DueRows {
  /** What they note down for after the commit is not to be undone with other writes: they are moved by a transaction of their own. */
  readonly isAlone?: boolean;
  /** Whether {@link DueRows.earliest} answers without reading. */
  readonly isKnown: boolean;
  /** Before this time none is due; `undefined`: none ever is. As of the last commit. */
  earliest(): number | undefined;
  /** It is to be read again: what is known may be too early by now. */
  forgetEarliest(): void;
  /** Inside a transaction: moves what is due, the earliest first, as much as one transaction takes. Returns how many messages came into their queues. */
  moveDue(now: number): number;
}

/** Where a look through such rows has come to, by the columns of their key; none: it begins. */
export type PutOffPlace = readonly number[];

/** Rows of which some wait for a time that began when they were stored. */
export interface PutOffRows {
  /**
   * Inside a transaction: what was put off later than now, by a clock that has been set back since, waits anew, for as long as it was to. So much as one transaction
   * takes; returns where it goes on. `undefined`: nothing is left.
   */
  putOffAnew(now: number, from: PutOffPlace): PutOffPlace | undefined;
}

/** The time of the one that is due first, kept in memory. */
export class EarliestDue {
  readonly #read: () => number | undefined;
  /** `undefined`: to be looked up. */
  #known: { readonly dueAt: number | undefined } | undefined;

  constructor(read: () => number | undefined) {
    this.#read = read;
  }

  get isKnown(): boolean {
    return this.#known !== undefined;
  }

  get(): number | undefined {
    this.#known ??= { dueAt: this.#read() };
    return this.#known.dueAt;
  }

  /** Another one was stored. */
  added(dueAt: number): void {
    if (this.#known !== undefined && (this.#known.dueAt === undefined || dueAt < this.#known.dueAt))
      this.#known = { dueAt };
  }

  forget(): void {
    this.#known = undefined;
  }
}
