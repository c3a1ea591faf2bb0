import type { Workload } from "../fault-operation.js";
import type { FaultTrial } from "../fault-trial.js";

const DAY = 24 * 60 * 60 * 1_000;
/** Which no group consumes. */
const ARCHIVE = "archive";

function archived(trial: FaultTrial): number {
  return trial.database
    .prepare<[string], number>("SELECT count(*) FROM mq_log JOIN mq_queue USING (queue_key) WHERE topic = ?")
    .pluck()
    .get(ARCHIVE) as number;
}

/** Time passes until messages have been kept for long enough. */
export const EXPIRING: Workload = {
  "deleting what was kept for long enough": {
    covers: ["retention"],
    make: () => ({
      prepare: async (trial) => {
        const sending = trial.producer.send({ topic: ARCHIVE, body: "old" });
        await trial.pass();
        await sending;
      },
      act: (trial) => trial.pass(4 * DAY),
      overdue: (trial) => (archived(trial) === 0 ? [] : ["it is still there"]),
    }),
  },
};
