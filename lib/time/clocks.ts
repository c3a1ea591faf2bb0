import type { Clock, MonotonicClock } from "./clock.js";
import { InferredClock } from "./inferred-clock.js";
import { MeasuredClock } from "./measured-clock.js";
import type { SteadyClock } from "./steady-clock.js";

/** Where a broker gets its time from. */
export interface Clocks {
  /** What time it is. */
  readonly clock: Clock;
  /** How long something takes. */
  readonly steady: SteadyClock;
}

/** @param clock - one that is looked at in place of it is among those that are returned. */
export function withSteadyClock(clock: Clock): Clocks {
  if (isMonotonic(clock)) return { clock, steady: new MeasuredClock(clock) };
  const steady = new InferredClock(clock);
  return { clock: steady.wall, steady };
}

function isMonotonic(clock: Clock): clock is MonotonicClock {
  return clock.elapsed !== undefined && clock.after !== undefined;
}
