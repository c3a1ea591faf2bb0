import { describe, expect, it } from "vitest";
import { PullTurns } from "../../lib/client/pull-turns.js";
import { VirtualClock } from "../support/virtual-clock.js";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("PullTurns", () => {
  it("lets 32 through in a turn, at once or in the order they came", async () => {
    const turns = new PullTurns(new VirtualClock());
    const entered: number[] = [];
    const enter = (index: number): void => {
      const waits = turns.enter();
      if (waits === undefined) entered.push(index);
      else void waits.then(() => entered.push(index));
    };

    for (let index = 0; index < 70; index += 1) enter(index);
    const counts = [entered.length];
    for (let count = 0; count < 3; count += 1) {
      await turn();
      counts.push(entered.length);
    }

    expect(counts).toEqual([32, 64, 70, 70]);
    expect(entered).toEqual(Array.from({ length: 70 }, (_, index) => index));
  });

  it("counts those who waited to the turn they wait for", async () => {
    const turns = new PullTurns(new VirtualClock());
    for (let index = 0; index < 40; index += 1) void turns.enter();
    await turn();

    const atOnce = Array.from({ length: 32 }, () => turns.enter()).filter((waits) => waits === undefined);

    expect(atOnce).toHaveLength(24);
    await turn();
    expect(turns.enter()).toBeUndefined();
    await turn();
  });

  it("asks for no turn while nobody pulls", async () => {
    const clock = new VirtualClock();
    let asked = 0;
    const askTurn = (run: () => void): void => {
      asked += 1;
      clock.turn(run);
    };
    const turns = new PullTurns({ now: () => clock.now(), at: (dueMs, run) => clock.at(dueMs, run), turn: askTurn });

    void turns.enter();
    for (let count = 0; count < 5; count += 1) await turn();

    expect(asked).toBe(1);
  });
});
