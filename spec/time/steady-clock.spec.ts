import { describe, expect, it } from "vitest";
import { withSteadyClock } from "../../lib/time/clocks.js";
import type { SteadyClock } from "../../lib/time/steady-clock.js";
import { MachineClock } from "../support/machine-clock.js";
import { VirtualClock } from "../support/virtual-clock.js";

const [START, HOUR] = [1_700_000_000_000, 3_600_000];

interface Watched<C> {
  readonly clock: C;
  readonly steady: SteadyClock;
  readonly jumps: number[];
  readonly rung: string[];
  /** By both clocks. */
  ring(name: string, afterMs: number): void;
}

function watched<C extends VirtualClock>(virtual: C): Watched<C> {
  const { clock, steady } = withSteadyClock(virtual);
  const jumps: number[] = [];
  const rung: string[] = [];
  steady.watch((byMs) => void jumps.push(byMs));
  return {
    ...{ clock: virtual, steady, jumps, rung },
    ring: (name, afterMs) => {
      steady.at(steady.now() + afterMs, () => rung.push(`steady ${name}`));
      clock.at(clock.now() + afterMs, () => rung.push(`wall ${name}`));
    },
  };
}

describe.each([
  { kind: "a clock that tells how time passes", make: () => new MachineClock(START) },
  { kind: "a clock that only says what time it is", make: () => new VirtualClock(START) },
])("the steady clock of $kind", ({ make }) => {
  it("says what the other one says until that is set", async () => {
    const { clock, steady } = watched(make());
    await clock.advance(1_234);

    expect([steady.now(), steady.fromWall(7), steady.toWall(7)]).toEqual([START + 1_234, 7, 7]);
  });

  it("goes on when that is set back, with all that was armed, and tells of it once", async () => {
    const { clock, steady, jumps, rung, ring } = watched(make());
    ring("a", 5_000);

    clock.setTime(START - HOUR);
    const now = steady.now();
    ring("b", 6_000);
    await clock.advance(5_000);
    const after5s = [...rung];
    await clock.advance(1_000);

    expect([now, steady.now()]).toEqual([START, START + 6_000]);
    expect([after5s, rung]).toEqual([["steady a"], ["steady a", "steady b", "wall b"]]);
    expect(jumps).toEqual([-HOUR]);
    expect([steady.fromWall(START - HOUR), steady.toWall(START)]).toEqual([START, START - HOUR]);
  });

  it("goes on each time that it is set back", async () => {
    const { clock, steady, jumps, rung, ring } = watched(make());
    ring("a", 5_000);

    for (const passed of [1_000, 1_000, 1_000]) {
      clock.setTime(clock.now() - HOUR);
      steady.now();
      await clock.advance(passed);
      steady.now();
    }
    await clock.advance(2_000);

    expect([steady.now(), rung, jumps]).toEqual([START + 5_000, ["steady a"], [-HOUR, -HOUR, -HOUR]]);
  });

  it("tells when that is set forth", async () => {
    const { clock, jumps, rung, ring } = watched(make());
    ring("a", 500);

    clock.setTime(START + HOUR);
    await clock.advance(2_000);

    expect(jumps).toEqual([HOUR]);
    expect(rung.toSorted()).toEqual(["steady a", "wall a"]);
  });

  it("tells of a machine that slept, whether it counted meanwhile or not", async () => {
    const machine = make();
    const { clock, jumps, ring } = watched(machine);
    ring("a", 1_000);

    if (machine instanceof MachineClock) machine.sleep(8 * HOUR);
    else clock.setTime(START + 8 * HOUR);
    await clock.advance(1_000);

    expect(jumps.map((byMs) => Math.round(byMs / HOUR))).toEqual([8]);
  });

  it("is silent when it is moved by less than a second, and goes on", async () => {
    const { clock, steady, jumps } = watched(make());

    for (let count = 0; count < 5; count += 1) {
      clock.setTime(clock.now() - 900);
      steady.now();
      await clock.advance(2_000);
      steady.now();
    }

    expect([steady.now(), jumps]).toEqual([START + 10_000, []]);
  });

  it("is silent when nothing happens for long", async () => {
    const { clock, steady, jumps, rung, ring } = watched(make());
    ring("a", HOUR);

    await clock.advance(HOUR);
    ring("b", 0);
    await clock.advance(2 * HOUR);

    expect([steady.now(), jumps, rung.length]).toEqual([START + 3 * HOUR, [], 4]);
  });

  it("runs a timer once, also one that finds out by itself that the clock was set back", async () => {
    const { clock, steady, rung } = watched(make());
    await clock.advance(20_000);
    steady.now();
    steady.at(START + 8_000, () => rung.push("late"));

    clock.setTime(START + 10_000);
    await clock.advance(HOUR);

    expect(rung).toEqual(["late"]);
  });

  it("does not run what was cancelled, before the clock was set or after it", async () => {
    const { clock, steady, rung } = watched(make());
    const timers = ["before", "after"].map((name) => steady.at(START + 1_000, () => rung.push(name)));

    timers[0]?.cancel();
    clock.setTime(START - HOUR);
    steady.now();
    timers[1]?.cancel();
    await clock.advance(2 * HOUR);

    expect(rung).toEqual([]);
  });

  it("has no timer of its own, and tells nothing, once it is closed", async () => {
    const { clock, steady, jumps } = watched(make());

    clock.setTime(START - HOUR);
    steady.now();
    steady.close();
    await clock.advance(5_000);

    expect([clock.pendingTimers, jumps]).toEqual([0, []]);
  });
});

describe("the steady clock of a clock that tells how time passes", () => {
  it("does not go forth with it", async () => {
    const { clock, steady, rung, ring } = watched(new MachineClock(START));
    ring("a", 10_000);

    clock.setTime(START + HOUR);
    await clock.advance(9_999);
    const before = [...rung];
    await clock.advance(1);

    expect([before, rung[0]]).toEqual([[], "steady a"]);
    expect([steady.now(), steady.fromWall(START + HOUR)]).toEqual([START + 10_000, START]);
  });

  it("needs nobody who looks", async () => {
    const { clock, jumps, rung, ring } = watched(new MachineClock(START));
    ring("a", 60_000);

    clock.setTime(START - HOUR);
    await clock.advance(1_000);
    const told = [...jumps];
    await clock.advance(59_000);

    expect([told, rung]).toEqual([[-HOUR], ["steady a"]]);
  });

  it("tells that it was set back also when the machine slept for as long, and that it slept", async () => {
    const { clock, jumps } = watched(new MachineClock(START));

    clock.sleep(HOUR + 1_000);
    clock.setTime(clock.now() - HOUR);
    await clock.advance(1_000);

    expect(jumps).toEqual([HOUR, -HOUR]);
  });

  it("is silent while they part little by little", async () => {
    const { clock, jumps } = watched(new MachineClock(START));

    for (let second = 0; second < 600; second += 1) {
      await clock.advance(1_000);
      clock.setTime(clock.now() + 10);
    }

    expect(jumps).toEqual([]);
  });
});

describe("the steady clock of a clock that only says what time it is", () => {
  it("tells that it was set forth also when somebody else has looked before a timer is late", async () => {
    const { clock, steady, jumps, ring } = watched(new VirtualClock(START));
    ring("a", 20_000);

    clock.setTime(START + HOUR);
    steady.now();
    await clock.advance(0);

    expect([jumps, steady.now()]).toEqual([[HOUR], START + HOUR]);
  });

  it("does not take for a jump what is armed for a time that is long past", async () => {
    const { clock, steady, jumps } = watched(new VirtualClock(START));
    await clock.advance(HOUR);

    steady.at(START + 1_000, () => undefined);
    await clock.advance(HOUR);

    expect(jumps).toEqual([]);
  });
});
