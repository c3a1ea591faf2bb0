import type { Clock, ClockTimer } from "../time/clock.js";
import type { EventHub } from "./broker-events.js";
import { DedupCleaning } from "./dedup-cleaning.js";
import type { DiskGuard } from "./disk-guard.js";
import type { Engine } from "./engine.js";
import type { Retention } from "./retention.js";

/** Source: RocketMQ, `MessageStoreConfig.java`, `cleanResourceInterval`. */
const INTERVAL_MS = 10_000;
/** After something failed. */
const FAILED_MS = 1_000;

export interface HousekeepingParts {
  readonly engine: Engine;
  readonly retention: Retention;
  /** `undefined` in memory, where only the hours of deleting count. */
  readonly disk: DiskGuard | undefined;
  readonly clock: Clock;
  readonly events: EventHub;
}

/** What a broker does for its store without being asked, with one timer: it looks at the disk and deletes what has been kept for long enough, messages and keys of messages. */
export class Housekeeping {
  readonly #parts: HousekeepingParts;
  readonly #dedup: DedupCleaning;
  #timer: ClockTimer | undefined;
  /** When the timer runs. */
  #nextAt = Number.POSITIVE_INFINITY;
  #isClosed = false;

  constructor(parts: HousekeepingParts) {
    this.#parts = parts;
    this.#dedup = new DedupCleaning(parts);
    parts.engine.dedup.watch((expiresAt) => {
      if (this.#dedup.stored(expiresAt)) this.#armForDedup();
    });
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
    this.#dedup.close();
  }

  #run(): void {
    const { retention, disk, clock } = this.#parts;
    const now = clock.now();
    const isOften = disk !== undefined || retention.isHour(now);
    const often = isOften ? now + INTERVAL_MS : Number.POSITIVE_INFINITY;
    const cleaning = this.#dedup.run();
    this.#arm(Math.min(retention.nextHour(now), this.#dedup.nextPass, often));
    void cleaning.then(() => this.#armForDedup());
    void retention.run().then((isDone) => {
      if (!isDone && !this.#isClosed) this.#arm(clock.now() + FAILED_MS);
    });
  }

  #armForDedup(): void {
    const { nextPass } = this.#dedup;
    if (!this.#isClosed && nextPass < this.#nextAt) this.#arm(nextPass);
  }

  #arm(time: number): void {
    this.#timer?.cancel();
    this.#nextAt = time;
    this.#timer = this.#parts.clock.at(time, () => this.look());
  }
}
