/**
 * What a resolved send of each driver survives, beside PocketMQ at the same `synchronous`: full, power loss; normal, a crash of the process that
 * holds the data, while power loss takes what came since the last checkpoint. Drivers that are not here promise the same.
 */
const PROMISES = {
  bullmq: {
    full: { setting: "appendfsync always", promise: "same" },
    normal: { setting: "appendfsync everysec", promise: "other" },
  },
  "pg-boss": {
    full: { setting: "synchronous_commit on", promise: "same" },
    normal: { setting: "synchronous_commit off", promise: "other" },
  },
  "graphile-worker": {
    full: { setting: "synchronous_commit on", promise: "same" },
    normal: { setting: "synchronous_commit off", promise: "other" },
  },
  fastq: { full: { setting: "in memory", promise: "none" }, normal: { setting: "in memory", promise: "none" } },
};

const SAME = { setting: undefined, promise: "same" };

/** `promise`: `same`; `other`, less at a crash and more at power loss; `none`. */
export function durabilityOf(driver, synchronous) {
  return PROMISES[driver]?.[synchronous === "full" ? "full" : "normal"] ?? SAME;
}
