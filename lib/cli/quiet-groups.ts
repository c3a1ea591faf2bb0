import type { Broker } from "../index.js";
import { systemClock } from "../time/clock.js";
import type { CountingGroup } from "./counting-group.js";

const LOOK_MS = 20;
const STALLED_MS = 10_000;

/**
 * Resolves as soon as `isDone`, or when waiting is in vain: the groups have acknowledged everything that is there for
 * them, or nothing was delivered for ten seconds. Rejects with the reason of the signal.
 */
export async function whenQuiet(
  mq: Broker,
  groups: readonly CountingGroup[],
  isDone: () => boolean,
  signal: AbortSignal,
): Promise<void> {
  let delivered = -1;
  let stalledMs = 0;
  while (!isDone()) {
    signal.throwIfAborted();
    if ((await totalLag(mq, groups)) === 0) return;
    const now = groups.reduce((sum, group) => sum + group.delivered, 0);
    stalledMs = now === delivered ? stalledMs + LOOK_MS : 0;
    if (stalledMs >= STALLED_MS) return;
    delivered = now;
    await pause(LOOK_MS, signal);
  }
}

/** Real milliseconds; shorter where the signal aborts. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = systemClock.at(systemClock.now() + ms, () => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    });
    const onAbort = (): void => {
      timer.cancel();
      reject(signal.reason as Error);
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
  });
}

async function totalLag(mq: Broker, groups: readonly CountingGroup[]): Promise<number> {
  let lag = 0;
  for (const { group } of groups) lag += (await mq.admin.consumeStats(group)).lag;
  return lag;
}
