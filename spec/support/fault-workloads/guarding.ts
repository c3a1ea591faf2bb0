import fs from "node:fs";
import type { Workload } from "../fault-operation.js";
import type { FaultTrial } from "../fault-trial.js";

/** Longer than the broker takes to look at its disk. */
const LOOKING_MS = 10_000;

async function fillDisk(trial: FaultTrial): Promise<void> {
  const { statfsSync } = fs;
  const full = { type: 0, bsize: 4_096, blocks: 1_000, bfree: 0, bavail: 0, files: 0, ffree: 0 };
  fs.statfsSync = (() => full) as unknown as typeof statfsSync;
  try {
    await trial.pass(LOOKING_MS);
  } finally {
    fs.statfsSync = statfsSync;
  }
}

/** The disk is full for a while. */
export const GUARDING: Workload = {
  "looking for room inside of the file on a full disk": {
    covers: ["disk guard"],
    make: () => ({
      place: "file",
      isReading: true,
      act: async (trial) => {
        await fillDisk(trial);
        await trial.pass(LOOKING_MS);
      },
    }),
  },
};
