/** What one fdatasync of a page costs here: written over in a file of fixed size, as a write-ahead log is. */
import { closeSync, fdatasyncSync, openSync, unlinkSync, writeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

const PAGE = Buffer.alloc(4_096, 1);
const PAGES = 256;

export class BareSync {
  #path;
  #file;
  #next = 0;

  constructor(path) {
    this.#path = path;
    this.#file = openSync(path, "w");
    for (let page = 0; page < PAGES; page += 1) writeSync(this.#file, PAGE, 0, PAGE.length, page * PAGE.length);
    fdatasyncSync(this.#file);
  }

  /** Milliseconds. */
  once() {
    writeSync(this.#file, PAGE, 0, PAGE.length, (this.#next % PAGES) * PAGE.length);
    this.#next += 1;
    const start = performance.now();
    fdatasyncSync(this.#file);
    return performance.now() - start;
  }

  async paced(count, intervalMs, latencies) {
    for (let done = 0; done < count; done += 1) {
      latencies.record(this.once());
      await sleep(intervalMs);
    }
  }

  close() {
    closeSync(this.#file);
    unlinkSync(this.#path);
  }
}
