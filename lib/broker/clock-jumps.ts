import { isMqError } from "../errors.js";
import type { Logger } from "../logger.js";
import { toMqError } from "../store/sqlite-error.js";
import type { ClockTimer } from "../time/clock.js";
import type { Clocks } from "../time/clocks.js";
import type { EventHub } from "./broker-events.js";
import type { PutOffPlace } from "./due-rows.js";
import type { Engine } from "./engine.js";

/** After something failed. */
const FAILED_MS = 1_000;
/** When the store is opened so many of the newest rows of a table say whether the clock was set back since. */
const ROWS_OF_A_SIGN = 100;

export interface ClockJumpsOptions {
  readonly engine: Engine;
  readonly clocks: Clocks;
  readonly events: EventHub;
  readonly logger: Logger;
  /** Whoever waits for a moment is to look again what time it is. */
  readonly lookAgain: () => void;
}

/**
 * What a broker does when its machine's clock was set, or the machine slept. What lasts for some time in this process goes by the steady clock, and goes on.
 *
 * What is stored is due at a moment. Where that was to be so long after it was stored, retries, delay levels and what is popped, it would come as much too late as the
 * clock was set back: so it waits anew, for as long as it was to, in steps between which everybody else goes on. That holds for what was stored later than now; so
 * several processes may each do it, or one that opens the store after the clock was set back.
 *
 * Source: RocketMQ, `broker/.../schedule/ScheduleMessageService.java`, `correctDeliverTimestamp`, which delivers such a message at once. Its timers wait for their
 * moment, as ours do.
 */
export class ClockJumps {
  readonly #options: ClockJumpsOptions;
  #isRunning = false;
  /** The clock was set back while that was going on. */
  #isAgain = false;
  #retry: ClockTimer | undefined;
  #isClosed = false;

  constructor(options: ClockJumpsOptions) {
    this.#options = options;
  }

  start(): void {
    this.#options.clocks.steady.watch((byMs) => this.#jumped(byMs));
    void this.#run(() => this.#isStoredLater());
  }

  close(): void {
    this.#isClosed = true;
    this.#options.clocks.steady.close();
    this.#retry?.cancel();
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
    if (byMs < 0) void this.#run();
  }

  async #run(isNeeded: () => Promise<boolean> = () => Promise.resolve(true)): Promise<void> {
    this.#isAgain = this.#isRunning;
    if (this.#isRunning) return;
    this.#isRunning = true;
    try {
      if (await isNeeded()) await this.#putOffAnew();
    } catch (error) {
      this.#failed(error);
    } finally {
      this.#isRunning = false;
    }
    if (this.#isAgain && !this.#isClosed) await this.#run();
  }

  /** Whether something was stored at a time that is still to come. */
  #isStoredLater(): Promise<boolean> {
    const { engine, clocks } = this.#options;
    const { log, due, pops, halves } = engine.store;
    return engine.reads.read(() => {
      const { storeTimestamp } = log.last() ?? {};
      const signs = [storeTimestamp, due.newest(clocks.clock.now(), ROWS_OF_A_SIGN), pops.newest(ROWS_OF_A_SIGN)];
      signs.push(halves.newest(ROWS_OF_A_SIGN));
      return signs.some((time) => time !== undefined && time > clocks.clock.now());
    });
  }

  async #putOffAnew(): Promise<void> {
    const { engine, clocks, lookAgain } = this.#options;
    for (const rows of engine.putOffRows) {
      let from: PutOffPlace | undefined = [];
      while (from !== undefined && !this.#isClosed) {
        const begin: PutOffPlace = from;
        from = await engine.write(() => rows.putOffAnew(clocks.clock.now(), begin));
      }
    }
    if (!this.#isClosed) lookAgain();
  }

  #failed(error: unknown): void {
    const { engine, clocks, events } = this.#options;
    if (this.#isClosed || isMqError(error, "ERR_MQ_CLOSED")) return;
    events.error(toMqError(error, "putting off anew what waits, as the clock was set back"));
    if (!engine.isUsable) return;
    const { steady } = clocks;
    this.#retry = steady.at(steady.now() + FAILED_MS, () => void this.#run());
  }
}
