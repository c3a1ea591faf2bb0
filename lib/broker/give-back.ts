import type { FreePages } from "../store/free-pages.js";
import { Stopwatch } from "../time/stopwatch.js";
import type { Engine } from "./engine.js";

/** 16 MiB. A file that is smaller, or half in use, keeps what is free for what comes. */
const MIN_FREE_PAGES = 4_096;
/** What one transaction is to take. */
const STEP_MS = 2;
const MAX_STEP_PAGES = 1_024;
/** 16 MiB: the disk takes them back all at once, and a file of 2 GB that was cut in one go took 0.3 s. */
const SHORTEN_PAGES = 4_096;

export interface GiveBackParts {
  readonly engine: Engine;
  readonly pages: FreePages;
  readonly isStopped: () => boolean;
}

/**
 * Gives space back to the disk once less than half of a file is in use, until a quarter of it is free; in many transactions.
 *
 * A free page at the end of the file costs about 1 µs, one whose content has to move 15 µs in a file of 200 MB and 300 µs in one of 2 GB, as SQLite goes through its
 * list of free pages for one near the front. Nothing says which comes next: so a statement gives back one page, and a step is over when its time is.
 */
export class GiveBack {
  readonly #parts: GiveBackParts;
  #sinceShortened = 0;

  constructor(parts: GiveBackParts) {
    this.#parts = parts;
  }

  async run(): Promise<void> {
    const { engine, pages, isStopped } = this.#parts;
    const { free, all } = await engine.reads.read(() => pages.count());
    if (free < MIN_FREE_PAGES || free * 2 < all) return;
    while (!isStopped()) {
      const given = await engine.write(() => this.#step());
      if (given === 0) break;
      this.#sinceShortened += given;
      if (this.#sinceShortened >= SHORTEN_PAGES) this.#shorten();
    }
    this.#shorten();
  }

  /** Inside a transaction. Returns by how many pages the file is shorter: by none, too, where somebody has turned giving back off in it. */
  #step(): number {
    const { pages } = this.#parts;
    const { free, all } = pages.count();
    // A third of what is in use is a quarter of the file.
    const wanted = Math.min(MAX_STEP_PAGES, free - Math.floor((all - free) / 3));
    const stopwatch = new Stopwatch();
    for (let tried = 0; tried < wanted && stopwatch.elapsedMs < STEP_MS; tried += 1) pages.giveBackOne();
    return all - pages.count().all;
  }

  #shorten(): void {
    const { engine, pages } = this.#parts;
    this.#sinceShortened = 0;
    // Where the owner has a transaction open, a later checkpoint does it.
    if (engine.isUsable && !engine.isInForeignTransaction) pages.shorten();
  }
}
