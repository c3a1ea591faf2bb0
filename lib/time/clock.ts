import { clearTimeout, setImmediate, setTimeout } from "node:timers";
import { scheduler } from "node:timers/promises";
import { promisify } from "node:util";
import { runInNewContext } from "node:vm";
import { monotonicNow } from "./monotonic.js";

/** Something armed with {@link Clock.at}. */
export interface ClockTimer {
  /** Afterwards `run` is not called any more. No effect once it ran. */
  cancel(): void;
}

/** Where a broker gets its time and its turns from. Everything it does later, it does through this. */
export interface Clock {
  /** Milliseconds since the Unix epoch. May step back and forth, as the machine's clock does. */
  now(): number;
  /**
   * Calls `run` once, as soon as {@link Clock.now} has reached `dueMs`: never before that and never within this call,
   * not even when `dueMs` is past. Does not keep the process alive. What `run` throws is an uncaught exception.
   */
  at(dueMs: number, run: () => void): ClockTimer;
  /**
   * Calls `run` once after the current turn of the event loop, when waiting I/O had its chance; in call order. Keeps
   * the process alive until then. What `run` throws is an uncaught exception.
   */
  turn(run: () => void): void;
  /**
   * Something runs that neither a timer nor a turn will end, a listener for example: time that is moved by hand should wait for it. Absent where nobody moves time.
   *
   * @param describe - who it is, for an error.
   * @param delivery - what {@link Clock.at} is called within, when what runs waits for the clock itself.
   * @returns to be called when it has ended.
   */
  hold?(describe: () => string, delivery?: object): () => void;
  /**
   * Milliseconds that have passed since some moment, with fractions; however {@link Clock.now} is set, they go on. Without this and {@link Clock.after} a broker infers
   * from `now` and `at` that the clock was set.
   */
  elapsed?(): number;
  /** As {@link Clock.at}, once so much more has {@link Clock.elapsed}. */
  after?(delayMs: number, run: () => void): ClockTimer;
}

interface Alarm {
  cancel(): void;
}

/** A clock that tells how time passes beside what time it is. */
export type MonotonicClock = Clock & Required<Pick<Clock, "elapsed" | "after">>;

/** The three functions a clock is made of. */
interface TimeSource {
  readonly now: () => number;
  readonly immediate: (run: () => void) => void;
  readonly unrefTimeout: (delayMs: number, run: () => void) => Alarm;
  /** No alarm is armed for longer than this. */
  readonly longestDelayMs: number;
}

// A monotonic timer does not see the clock being set: it is looked at again at least this often, by whoever was not told before.
const LONGEST_DELAY_MS = 60_000;

// A delay of `scheduler.wait` is not cancelled but forgotten, so that its memory must come back soon.
const LONGEST_UNCANCELLED_DELAY_MS = 1_000;

// Node hands these options to its timer as they are; the types of Node 20 know `signal` only.
const UNREF = { ref: false } as { signal?: AbortSignal };

// Taken when this module is loaded, so that fake timers that are installed later do not reach them.
const loaded = { now: Date.now, setImmediate, setTimeout, clearTimeout } as const;

/**
 * Real time, under fake timers too, whether they were installed before this module was loaded or after.
 *
 * Loaded before them, it simply holds Node's functions. Loaded after them it may have got fakes: sinon and `node:test`
 * replace those of `node:timers` as well as the global ones (Jest and Vitest 4 only the latter). None of them reaches
 * what `scheduler` of `node:timers/promises` holds inside.
 */
function realTimeSource(): TimeSource {
  const now = isNative(loaded.now) ? loaded.now : (runInNewContext("Date.now") as () => number);
  if (!isFake(loaded.setImmediate) && !isFake(loaded.setTimeout)) {
    return { now, immediate: loaded.setImmediate, unrefTimeout, longestDelayMs: LONGEST_DELAY_MS };
  }
  return {
    now,
    // A rejection of these promises stays unhandled on purpose: Node reports it as an uncaught exception.
    immediate: (run) => void scheduler.yield().then(run),
    unrefTimeout: unrefWait,
    longestDelayMs: LONGEST_UNCANCELLED_DELAY_MS,
  };
}

function unrefTimeout(delayMs: number, run: () => void): Alarm {
  const timeout = loaded.setTimeout(run, delayMs).unref();
  return { cancel: () => loaded.clearTimeout(timeout) };
}

function unrefWait(delayMs: number, run: () => void): Alarm {
  let isCancelled = false;
  void scheduler.wait(delayMs, UNREF).then(() => {
    if (!isCancelled) run();
  });
  return {
    cancel: () => {
      isCancelled = true;
    },
  };
}

/** False for a JavaScript replacement, and for a bound one, whose source has no name. */
function isNative(now: () => number): boolean {
  return /^function now\(\) \{ \[native code\] \}$/.test(Function.prototype.toString.call(now));
}

/** @sinonjs/fake-timers marks its functions with their clock; other fakes lack what `util.promisify` looks for. */
function isFake(timer: object): boolean {
  return "clock" in timer || !(promisify.custom in timer);
}

class SystemClock implements MonotonicClock {
  #loadedSource: TimeSource | undefined;

  // At the first use rather than on import, which does no work.
  get #source(): TimeSource {
    this.#loadedSource ??= realTimeSource();
    return this.#loadedSource;
  }

  now(): number {
    return this.#source.now();
  }

  at(dueMs: number, run: () => void): ClockTimer {
    const { now } = this.#source;
    return this.#arm(() => dueMs - now(), run);
  }

  elapsed(): number {
    return monotonicNow();
  }

  after(delayMs: number, run: () => void): ClockTimer {
    const dueMs = monotonicNow() + delayMs;
    return this.#arm(() => dueMs - monotonicNow(), run);
  }

  turn(run: () => void): void {
    this.#source.immediate(run);
  }

  #arm(leftMs: () => number, run: () => void): ClockTimer {
    const { unrefTimeout: alarmAfter, longestDelayMs } = this.#source;
    // A timeout counts from the start of its turn and may fire a millisecond early: hence the look at the time.
    const ring = (): void => {
      const left = leftMs();
      // What is no number must not have it looked at again and again.
      if (!(left > 0)) run();
      else alarm = alarmAfter(Math.min(left, longestDelayMs), ring);
    };
    let alarm = alarmAfter(Math.min(Math.max(leftMs(), 0), longestDelayMs), ring);
    return { cancel: () => alarm.cancel() };
  }
}

/** {@link systemClock}, with all that it can. */
export const realClock: MonotonicClock = new SystemClock();

/** The machine's clock and Node's event loop; stays real when a test runner fakes timers and `Date`. */
export const systemClock: Clock = realClock;
