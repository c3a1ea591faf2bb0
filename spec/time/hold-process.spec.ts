import { afterEach, describe, expect, it, vi } from "vitest";
import { systemClock } from "../../lib/time/clock.js";
import { holdProcess } from "../../lib/time/hold-process.js";

/** What holds the process by message ports; a closed one goes away in a later turn. */
async function heldPorts(): Promise<number> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise<void>((resolve) => systemClock.turn(resolve));
  return process.getActiveResourcesInfo().filter((name) => name === "MessagePort").length;
}

describe("holdProcess", () => {
  afterEach(() => vi.useRealTimers());

  it.each([{ fakes: false }, { fakes: true }])(
    "holds the process until it is released, fake timers: $fakes",
    async ({ fakes }) => {
      if (fakes) vi.useFakeTimers();
      const before = await heldPorts();

      const hold = holdProcess();
      const held = await heldPorts();
      hold.release();
      const released = await heldPorts();

      expect(held).toBe(before + 1);
      expect(released).toBe(before);
    },
  );

  it("lets go of one hold only, however often that is released", async () => {
    const before = await heldPorts();
    const [first, second] = [holdProcess(), holdProcess()];

    first.release();
    first.release();
    const held = await heldPorts();
    second.release();

    expect(held).toBe(before + 1);
  });
});
