import { systemClock } from "../time/clock.js";

/** One of the groups that a demo consumes with. */
export interface DemoGroup {
  readonly group: string;
  /** Deliveries of messages of any run. */
  readonly delivered: number;
  /** First deliveries of the run's messages. */
  readonly consumed: number;
  /** Of the last delivery, on the stopwatch that was given. */
  readonly lastDeliveryMs: number;
  start(): Promise<void>;
  /** Whether there is nothing left for it. */
  isAtRest(): Promise<boolean>;
}

const LOOK_MS = 20;
const STALLED_MS = 10_000;

/**
 * Resolves as soon as nothing is left for any of the groups, or when waiting is in vain: nothing was delivered for a while. Rejects with the reason
 * of the signal.
 */
export async function whenQuiet(
  groups: readonly Pick<DemoGroup, "delivered" | "isAtRest">[],
  signal: AbortSignal,
  stalledMs: number = STALLED_MS,
): Promise<void> {
  let delivered = -1;
  let waitedMs = 0;
  for (;;) {
    signal.throwIfAborted();
    if (await areAtRest(groups)) return;
    const now = deliveredTo(groups);
    waitedMs = now === delivered ? waitedMs + LOOK_MS : 0;
    if (waitedMs >= stalledMs) return;
    delivered = now;
    await pause(LOOK_MS, signal);
  }
}

/** Resolves once nothing was delivered for so long. */
export async function whenSilent(
  groups: readonly Pick<DemoGroup, "delivered">[],
  silentMs: number,
  signal: AbortSignal,
): Promise<void> {
  let delivered = -1;
  for (let now = deliveredTo(groups); now !== delivered; now = deliveredTo(groups)) {
    delivered = now;
    await pause(silentMs, signal);
  }
}

/** Real milliseconds; shorter where the signal aborts. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
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

async function areAtRest(groups: readonly Pick<DemoGroup, "isAtRest">[]): Promise<boolean> {
  for (const group of groups) if (!(await group.isAtRest())) return false;
  return true;
}

function deliveredTo(groups: readonly Pick<DemoGroup, "delivered">[]): number {
  return groups.reduce((sum, group) => sum + group.delivered, 0);
}
