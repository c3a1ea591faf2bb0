import { coldStart } from "./cold-start.mjs";
import { drain } from "./drain.mjs";
import { endToEnd } from "./end-to-end.mjs";
import { exactlyOnce } from "./exactly-once.mjs";
import { fourWriters } from "./four-writers.mjs";
import { memory } from "./memory.mjs";
import { orderly } from "./orderly.mjs";
import { pendingTimers } from "./pending-timers.mjs";
import { pop } from "./pop.mjs";
import { pullWakeUp } from "./pull-wake-up.mjs";
import { rebalance } from "./rebalance.mjs";
import { retention, retentionCrowded, retentionSingle } from "./retention.mjs";
import { retryStorm } from "./retry-storm.mjs";
import { batch, concurrent, single } from "./sending.mjs";
import { timers } from "./timers.mjs";
import { outbox, pendingHalves, transacted } from "./transactions.mjs";
import { wakeUp } from "./wake-up.mjs";

export const SCENARIOS = [
  single,
  concurrent,
  batch,
  drain,
  orderly,
  pop,
  exactlyOnce,
  retryStorm,
  outbox,
  transacted,
  pendingHalves,
  timers,
  pendingTimers,
  endToEnd,
  wakeUp,
  pullWakeUp,
  rebalance,
  fourWriters,
  retention,
  retentionSingle,
  retentionCrowded,
  memory,
  coldStart,
];
