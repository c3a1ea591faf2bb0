import { isMqError } from "../errors.js";
import { realClock } from "../time/clock.js";
import { holdProcess, type ProcessHold } from "../time/hold-process.js";

/** How long another process may keep the file locked while it is being opened, which it does for a migration of its own for example. */
const LOCK_WAIT_MS = 5_000;
const LOOK_INTERVAL_MS = 10;

/** Tries again for five real seconds while `attempt` throws `ERR_MQ_SYSTEM_BUSY`; keeps the process alive meanwhile. */
export async function untilFree<T>(attempt: () => T): Promise<T> {
  const deadline = realClock.elapsed() + LOCK_WAIT_MS;
  let hold: ProcessHold | undefined;
  try {
    for (;;) {
      try {
        return attempt();
      } catch (error) {
        if (!isMqError(error, "ERR_MQ_SYSTEM_BUSY") || realClock.elapsed() > deadline) throw error;
      }
      hold ??= holdProcess();
      await new Promise<void>((resolve) => realClock.after(LOOK_INTERVAL_MS, resolve));
    }
  } finally {
    hold?.release();
  }
}
