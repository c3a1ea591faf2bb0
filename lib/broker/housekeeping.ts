import type { Clock, ClockTimer } from "../time/clock.js";
import type { DiskGuard } from "./disk-guard.js";
import type { Retention } from "./retention.js";

/** Source: RocketMQ, `MessageStoreConfig.java`, `cleanResourceInterval`. */
const INTERVAL_MS = 10_000;
/** After something failed. */
const FAILED_MS = 1_000;

export interface HousekeepingParts {
  readonly retention: Retention;
  /** `undefined` in memory, where only the hours of deleting count. */
  readonly disk: DiskGuard | undefined;
  readonly clock: Clock;
}

/** What a broker does for its store without being asked, with one timer: it looks at the disk and deletes what has been kept for long enough. */
export class Housekeeping {
  readonly #parts: HousekeepingParts;
  #timer: ClockTimer | undefined;
  #isClosed = false;

  constructor(parts: HousekeepingParts) {
    this.#parts = parts;
  }

  /** Looks, and from then on by itself. */
  start(): void {
    this.#parts.disk?.open();
    this.#run();
  }

  /** It may be another time than it was. */
  look(): void {
    this.#parts.disk?.look();
    this.#run();
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#parts.retention.close();
  }

  #run(): void {
    const { retention, disk, clock } = this.#parts;
    const now = clock.now();
    const isOften = disk !== undefined || retention.isHour(now);
    this.#arm(Math.min(retention.nextHour(now), isOften ? now + INTERVAL_MS : Number.POSITIVE_INFINITY));
    void retention.run().then((isDone) => {
      if (!isDone && !this.#isClosed) this.#arm(clock.now() + FAILED_MS);
    });
  }

  #arm(time: number): void {
    this.#timer?.cancel();
    this.#timer = this.#parts.clock.at(time, () => this.look());
  }
}
