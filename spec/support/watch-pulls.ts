import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { LocalBroker } from "../../lib/broker/local-broker.js";
import { systemClock } from "../../lib/time/clock.js";

/** What consumers have pulled from a broker. */
export interface WatchedPulls {
  readonly count: number;
  /** How many of them anything still holds on to. */
  countHeld(): Promise<number>;
}

/** Watches from now on. */
export function watchPulls(port: LocalBroker): WatchedPulls {
  setFlagsFromString("--expose-gc");
  const collectGarbage = runInNewContext("gc") as () => void;
  let count = 0;
  let held = 0;
  const collected = new FinalizationRegistry(() => {
    held -= 1;
  });
  const pull = port.pull.bind(port);
  port.pull = async (request, signal) => {
    const result = await pull(request, signal);
    for (const message of result.messages) collected.register(message, undefined);
    count += result.messages.length;
    held += result.messages.length;
    return result;
  };
  return {
    get count() {
      return count;
    },
    countHeld: async () => {
      // What was in use in the turn in which the garbage is collected is none; and it is told of later.
      for (let turn = 0; turn < 4; turn += 1) {
        await new Promise<void>((resolve) => systemClock.turn(resolve));
        collectGarbage();
      }
      return held;
    },
  };
}
