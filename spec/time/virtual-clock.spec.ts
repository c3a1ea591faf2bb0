import { describe, expect, it } from "vitest";
import { VirtualClock } from "../support/virtual-clock.js";

describe("VirtualClock", () => {
  it("stands still by itself and takes its timers in the order of their due times, each at its own time", async () => {
    const clock = new VirtualClock(1_000);
    const ran: string[] = [];
    clock.at(1_300, () => ran.push(`c at ${clock.now()}`));
    clock.at(1_100, () => ran.push(`a at ${clock.now()}`));
    clock.at(1_100, () => ran.push(`b at ${clock.now()}`));
    clock.at(1_301, () => ran.push("too late"));

    await clock.settle();
    const ranBefore = [...ran];
    await clock.advance(300);

    expect(ranBefore).toEqual([]);
    expect(ran).toEqual(["a at 1100", "b at 1100", "c at 1300"]);
    expect(clock.now()).toBe(1_300);
    expect(clock.pendingTimers).toBe(1);
  });

  it("runs turns without being asked to, after waiting promises", async () => {
    const clock = new VirtualClock();
    const order: string[] = [];

    await new Promise<void>((resolve) => {
      clock.turn(() => {
        order.push("turn");
        resolve();
      });
      void Promise.resolve().then(() => order.push("promise"));
    });

    expect(order).toEqual(["promise", "turn"]);
  });

  it("lets turns, promises finish before time goes on", async () => {
    const clock = new VirtualClock(0);
    const order: string[] = [];
    clock.at(10, () => {
      clock.turn(() => {
        void Promise.resolve().then(() => clock.turn(() => order.push(`turn at ${clock.now()}`)));
      });
    });
    clock.at(20, () => order.push(`timer at ${clock.now()}`));

    await clock.advance(20);

    expect(order).toEqual(["turn at 10", "timer at 20"]);
  });

  it("runs timers that timers arm within the time that passes", async () => {
    const clock = new VirtualClock(0);
    const times: number[] = [];
    const again = (): void => {
      times.push(clock.now());
      clock.at(clock.now() + 40, again);
    };
    clock.at(40, again);

    await clock.advance(100);

    expect(times).toEqual([40, 80]);
  });

  it("never runs a cancelled timer", async () => {
    const clock = new VirtualClock(0);
    let runs = 0;

    clock.at(5, () => (runs += 1)).cancel();
    await clock.advance(10);

    expect(runs).toBe(0);
    expect(clock.pendingTimers).toBe(0);
  });

  it("rejects with what a timer throws", async () => {
    const clock = new VirtualClock(0);
    clock.at(5, () => {
      throw new Error("from a timer");
    });

    await expect(clock.advance(10)).rejects.toThrow("from a timer");
  });

  it("runs what became due by setting the time with the next advance", async () => {
    const clock = new VirtualClock(1_000);
    const times: number[] = [];
    clock.at(5_000, () => times.push(clock.now()));

    clock.setTime(9_000);
    const before = [...times];
    await clock.advance(0);

    expect(before).toEqual([]);
    expect(times).toEqual([9_000]);
  });
});
