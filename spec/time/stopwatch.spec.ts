import { afterEach, describe, expect, it, vi } from "vitest";
import { systemClock } from "../../lib/time/clock.js";
import { Stopwatch } from "../../lib/time/stopwatch.js";

describe("Stopwatch", () => {
  afterEach(() => vi.useRealTimers());

  it.each([{ fakes: false }, { fakes: true }])(
    "measures the time since it was made, fake timers: $fakes",
    async ({ fakes }) => {
      if (fakes) vi.useFakeTimers({ toFake: ["performance", "Date", "hrtime"] });
      const stopwatch = new Stopwatch();
      const untilMs = systemClock.now() + 15;

      while (systemClock.now() < untilMs) await new Promise<void>((resolve) => systemClock.turn(resolve));

      expect(stopwatch.elapsedMs).toBeGreaterThan(13);
      expect(stopwatch.elapsedMs).toBeLessThan(5_000);
    },
  );
});
