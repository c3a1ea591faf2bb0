import type { Logger } from "../logger.js";
import type { SteadyClock } from "../time/steady-clock.js";
import type { EventHub } from "./broker-events.js";

export interface ClockJumpsOptions {
  readonly steady: SteadyClock;
  readonly events: EventHub;
  readonly logger: Logger;
  /** Whoever waits for a moment is to look again what time it is. */
  readonly lookAgain: () => void;
}

/** Tells of it when the machine's clock was set, or the machine slept. What lasts for some time in this process goes by the steady clock, and goes on. */
export class ClockJumps {
  readonly #options: ClockJumpsOptions;

  constructor(options: ClockJumpsOptions) {
    this.#options = options;
  }

  start(): void {
    this.#options.steady.watch((byMs) => this.#jumped(byMs));
  }

  close(): void {
    this.#options.steady.close();
  }

  #jumped(byMs: number): void {
    const { events, logger, lookAgain } = this.#options;
    const what =
      byMs < 0
        ? `the clock of this machine was set back by ${-byMs} ms`
        : `the clock of this machine was set forth by ${byMs} ms, or nothing ran here for so long`;
    logger.warn(`${what}: what is due is looked at again`, { byMs });
    events.emit("clock:jumped", { byMs });
    lookAgain();
  }
}
