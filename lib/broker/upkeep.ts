import type { BroadcastInstance } from "../store/broadcast-offset-table.js";
import type { BrokerParts } from "./broker-parts.js";
import { ClockJumps } from "./clock-jumps.js";
import { DiskGuard } from "./disk-guard.js";
import { Housekeeping } from "./housekeeping.js";
import { Retention } from "./retention.js";

export interface UpkeepParts extends BrokerParts {
  readonly watchesDisk: boolean;
  /** Of the members that are here. */
  readonly presentInstances: () => readonly BroadcastInstance[];
  /** Whoever waits for a moment is to look again what time it is. */
  readonly clockJumped: () => void;
}

/** What a broker does without being asked, beside moving what is due: it looks at disk and clock, and deletes what has been kept for long enough. */
export class Upkeep {
  /** `undefined` in memory. */
  readonly disk: DiskGuard | undefined;
  readonly #housekeeping: Housekeeping;
  readonly #clockJumps: ClockJumps;

  constructor({ watchesDisk, presentInstances, clockJumped, ...parts }: UpkeepParts) {
    const { engine, settings, events } = parts;
    this.disk = watchesDisk ? DiskGuard.of(parts) : undefined;
    const retention = Retention.of({ ...parts, disk: this.disk, presentInstances });
    this.#housekeeping = new Housekeeping({ engine, clock: settings.clock, disk: this.disk, retention, events });
    this.#clockJumps = new ClockJumps({
      ...{ engine, clocks: settings, events, logger: settings.logger },
      lookAgain: () => {
        clockJumped();
        this.#housekeeping.look();
      },
    });
  }

  start(): void {
    this.#housekeeping.start();
    this.#clockJumps.start();
  }

  close(): void {
    this.#clockJumps.close();
    this.#housekeeping.close();
  }
}
