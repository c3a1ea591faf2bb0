import { syncBuiltinESMExports } from "node:module";
import { mock } from "node:test";
import timersModule, * as nodeTimers from "node:timers";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Clock, systemClock } from "../../lib/time/clock.js";

/** Evaluates the module again, as a test file does that installs its fakes first. */
async function loadClock(): Promise<Clock> {
  vi.resetModules();
  return (await import("../../lib/time/clock.js")).systemClock;
}

/** What was put on the module then reaches named imports too, as it always does in the CommonJS build. */
const syncTimersModule = syncBuiltinESMExports;

const realDateNow = Date.now;
const { clearInterval, setInterval, ...realTimers } = nodeTimers;
const ALL_FAKES = [
  "setTimeout",
  "clearTimeout",
  "setInterval",
  "clearInterval",
  "setImmediate",
  "clearImmediate",
  "Date",
  "performance",
] as const;

/** Vitest's fake timers, on `node:timers` too, where sinon puts the same ones outside of Vitest. */
function fakeEverything(): void {
  vi.useFakeTimers({ toFake: [...ALL_FAKES], now: 0 });
  const { setTimeout, clearTimeout, setImmediate } = globalThis;
  Object.assign(timersModule, { setTimeout, clearTimeout, setImmediate });
  syncTimersModule();
}

/** Resolves with what happened, in order, when a turn, a due timer and a later timer have run; a cancelled one must not. */
async function runThrough(clock: Clock): Promise<readonly string[]> {
  const happened: string[] = [];
  clock.at(clock.now(), () => happened.push("cancelled")).cancel();
  const turned = new Promise<void>((resolve) => {
    clock.turn(() => {
      happened.push("turn");
      resolve();
    });
  });
  await turned;
  await new Promise<void>((resolve) => clock.at(clock.now() - 1_000, resolve));
  happened.push("past");
  const dueMs = clock.now() + 20;
  await new Promise<void>((resolve) => clock.at(dueMs, resolve));
  happened.push(clock.now() >= dueMs ? "later, not early" : "later, too early");
  return happened;
}

const EXPECTED = ["turn", "past", "later, not early"];

describe("systemClock", () => {
  // Holds the process and with it the loop: the timers of the clock do not.
  let hold: NodeJS.Timeout;
  beforeEach(() => {
    hold = setInterval(() => undefined, 1_000);
  });
  afterEach(() => {
    clearInterval(hold);
    vi.useRealTimers();
    mock.timers.reset();
    vi.restoreAllMocks();
    const { setTimeout, clearTimeout, setImmediate } = realTimers;
    Object.assign(timersModule, { setTimeout, clearTimeout, setImmediate });
    syncTimersModule();
  });

  it("runs turns, past timers and due timers, none of them early", async () => {
    expect(await runThrough(systemClock)).toEqual(EXPECTED);
  });

  it("stays real when Vitest's fake timers are installed after it was loaded", async () => {
    const clock = await loadClock();
    fakeEverything();

    expect(clock.now()).toBeGreaterThan(1_600_000_000_000);
    expect(await runThrough(clock)).toEqual(EXPECTED);
  });

  it("stays real when Vitest's fake timers were installed before it was loaded", async () => {
    fakeEverything();
    expect(nodeTimers.setImmediate).toHaveProperty("clock");

    const clock = await loadClock();

    expect(clock.now()).toBeGreaterThan(1_600_000_000_000);
    expect(await runThrough(clock)).toEqual(EXPECTED);
  });

  it("stays real when node:test's fake timers are installed after it was loaded", async () => {
    const clock = await loadClock();
    mock.timers.enable({ apis: ["setTimeout", "setImmediate", "Date"] });
    syncTimersModule();

    expect(clock.now()).toBeGreaterThan(1_600_000_000_000);
    expect(await runThrough(clock)).toEqual(EXPECTED);
  });

  it("stays real when node:test's fake timers were installed before it was loaded", async () => {
    const { setImmediate } = nodeTimers;
    mock.timers.enable({ apis: ["setTimeout", "setImmediate", "Date"] });
    syncTimersModule();
    expect(nodeTimers.setImmediate).not.toBe(setImmediate);

    const clock = await loadClock();

    expect(clock.now()).toBeGreaterThan(1_600_000_000_000);
    expect(await runThrough(clock)).toEqual(EXPECTED);
  });

  it("ignores a Date.now that was spied on before it was loaded", async () => {
    vi.spyOn(Date, "now").mockReturnValue(7);

    const clock = await loadClock();

    expect(Math.abs(clock.now() - realDateNow())).toBeLessThan(1_000);
  });

  it("lets a cancelled timer of the fallback under fake timers never run", async () => {
    fakeEverything();
    const clock = await loadClock();
    let runs = 0;

    const timer = clock.at(clock.now() + 5, () => {
      runs += 1;
    });
    timer.cancel();
    await new Promise<void>((resolve) => clock.at(clock.now() + 20, resolve));

    expect(runs).toBe(0);
  });

  it("never runs a past timer within the call that arms it", () => {
    let isRun = false;

    const timer = systemClock.at(0, () => {
      isRun = true;
    });

    expect(isRun).toBe(false);
    timer.cancel();
  });

  it.each([Number.NEGATIVE_INFINITY, 0, Number.NaN])("runs what is due at %d once, in a later turn", async (dueMs) => {
    let runs = 0;

    systemClock.at(dueMs, () => {
      runs += 1;
    });
    const within = runs;
    await new Promise<void>((resolve) => systemClock.at(systemClock.now() + 20, resolve));

    expect([within, runs]).toEqual([0, 1]);
  });

  it("does not look again and again at what is due never", async () => {
    const delays: number[] = [];
    using _replaced = replaceSetTimeout((run, delayMs) => {
      delays.push(delayMs);
      return setTimeout(run, delayMs);
    });
    const clock = await loadClock();

    const timer = clock.at(Number.POSITIVE_INFINITY, () => undefined);
    await new Promise<void>((resolve) => systemClock.at(systemClock.now() + 20, resolve));
    timer.cancel();

    expect(delays).toEqual([60_000]);
  });

  it.each([
    { fakes: "without fake timers", install: () => undefined },
    { fakes: "with fake timers installed before", install: fakeEverything },
  ])("runs what is due after some time when so much has elapsed, not before, $fakes", async ({ install }) => {
    install();
    await loadClock();
    const { realClock } = await import("../../lib/time/clock.js");
    const [before, wallBefore] = [realClock.elapsed(), realClock.now()];

    await new Promise<void>((resolve) => realClock.after(15, resolve));

    expect(realClock.elapsed() - before).toBeGreaterThanOrEqual(15);
    expect(Math.abs(realClock.elapsed() - before - (realClock.now() - wallBefore))).toBeLessThan(500);
  });

  it("runs turns in the order in which they were asked for", async () => {
    const order: number[] = [];

    for (const number of [1, 2, 3]) systemClock.turn(() => order.push(number));
    await new Promise<void>((resolve) => systemClock.turn(resolve));

    expect(order).toEqual([1, 2, 3]);
  });

  it("does not take a time further away than Node's longest timer for a past one", async () => {
    let isRun = false;

    const timer = systemClock.at(systemClock.now() + 2 ** 31 + 5_000, () => {
      isRun = true;
    });
    await new Promise<void>((resolve) => systemClock.at(systemClock.now() + 20, resolve));

    expect(isRun).toBe(false);
    timer.cancel();
  });

  it("looks at the time again every minute, since the machine may have slept", async () => {
    const delays: number[] = [];
    using _replaced = replaceSetTimeout((run, delayMs) => {
      delays.push(delayMs);
      return setTimeout(run, delays.length < 4 ? 0 : 60_000);
    });
    const clock = await loadClock();

    const timer = clock.at(clock.now() + 2 ** 31, () => delays.push(Number.NaN));
    while (delays.length < 4) await new Promise<void>((resolve) => clock.turn(resolve));
    timer.cancel();

    expect(delays).toEqual([60_000, 60_000, 60_000, 60_000]);
  });

  it("holds the process with a pending turn and with no pending timer", () => {
    const before = process.getActiveResourcesInfo();

    const timer = systemClock.at(systemClock.now() + 50_000, () => undefined);
    const withTimer = process.getActiveResourcesInfo();
    systemClock.turn(() => undefined);
    const withTurn = process.getActiveResourcesInfo();
    timer.cancel();

    expect(withTimer).toEqual(before);
    expect(withTurn).toEqual([...before, "Immediate"]);
  });

  it.each([
    { fakes: "without fake timers", install: () => undefined },
    { fakes: "with fake timers installed before", install: fakeEverything },
  ])("gives what a turn or a timer throws to the process, $fakes", async ({ install }) => {
    install();
    const clock = await loadClock();
    using uncaught = catchUncaught();

    clock.turn(() => {
      throw new Error("from a turn");
    });
    clock.at(0, () => {
      throw new Error("from a timer");
    });
    await new Promise<void>((resolve) => clock.at(clock.now() + 20, resolve));

    expect(uncaught.messages.toSorted()).toEqual(["from a timer", "from a turn"]);
  });
});

/** Takes the place of Vitest's own listeners, which would fail the run. */
function catchUncaught(): { readonly messages: readonly string[] } & Disposable {
  const messages: string[] = [];
  const listen = (error: Error): void => void messages.push(error.message);
  const names = ["uncaughtException", "unhandledRejection"] as const;
  const saved = names.map((name) => process.listeners(name as "exit"));
  for (const name of names) process.removeAllListeners(name).on(name, listen);
  return {
    messages,
    [Symbol.dispose]: () => {
      for (const [index, name] of names.entries()) {
        process.removeAllListeners(name);
        for (const listener of saved[index] ?? []) process.on(name as "exit", listener);
      }
    },
  };
}

/** Under a clock that is loaded next; looks like Node's own to it. */
function replaceSetTimeout(replacement: (run: () => void, delayMs: number) => NodeJS.Timeout): Disposable {
  const replaceable: { setTimeout: unknown } = timersModule;
  const original = replaceable.setTimeout;
  replaceable.setTimeout = Object.assign(replacement, { [promisify.custom]: () => undefined });
  syncTimersModule();
  return {
    [Symbol.dispose]: () => {
      replaceable.setTimeout = original;
      syncTimersModule();
    },
  };
}
