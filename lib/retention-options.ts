import type { DiskSettings } from "./broker/disk-guard.js";
import type { Profile } from "./broker/profile.js";
import type { RetentionSettings } from "./broker/retention.js";
import { booleanOption, describe, integerOption, invalid, refuseUnknownOptions } from "./options.js";
import { DeleteHours } from "./time/delete-hours.js";

/** How long messages are kept, and what happens when the disk is full. */
export interface RetentionOptions {
  /** Messages are kept for at least so long, whether they were consumed or not. 0 to 1,000,000. @defaultValue 72 */
  readonly fileReservedTimeHours?: number | undefined;
  /**
   * Hours of the day, of the process's time zone, in which older messages are deleted: two digits, several with `;` between them. With `profile: "embedded"` an hour in
   * which nobody had the store open is made up for when it is opened. @defaultValue "04"
   */
  readonly deleteWhen?: string | undefined;
  /**
   * Whether messages stay, however old they are, that a group has not consumed yet which has ever subscribed to their topic. A group that nobody needs any longer keeps
   * them for ever, an instance of a broadcasting group for 31 days after it was last there.
   * @defaultValue true, as `profile: "rocketmq"` false
   */
  readonly keepUnconsumed?: boolean | undefined;
  /**
   * While more percent of the disk of the store are in use, older messages are deleted at any hour: 10 to 95, and what is outside counts as the nearer of them, as in
   * RocketMQ. Nothing younger goes, but for RocketMQ's own steps at 85 and 90 %, which only `profile: "rocketmq"` has; no option moves those.
   * @defaultValue none, as `profile: "rocketmq"` 75
   */
  readonly diskMaxUsedSpaceRatio?: number | undefined;
  /**
   * While fewer bytes are free on the disk of the store, sends are refused with `ERR_MQ_SERVICE_NOT_AVAILABLE` (14), and what is left is for everything else, which goes
   * on; SQLite's write-ahead log, 4 MiB as a rule, has to fit into it, too. Room that deleting has made in the file counts as free. It is looked at when the store is
   * opened, then every 10 s, and sooner where much is sent. In memory it means nothing. 0: however little it is.
   * @defaultValue 67_108_864 (64 MiB), as `profile: "rocketmq"` 0
   */
  readonly minFreeBytes?: number | undefined;
}

const OPTIONS: readonly (keyof RetentionOptions)[] = [
  "fileReservedTimeHours",
  "deleteWhen",
  "keepUnconsumed",
  "diskMaxUsedSpaceRatio",
  "minFreeBytes",
];

export function resolveRetentionOptions(
  options: RetentionOptions = {},
  profile: Profile,
): { readonly retention: RetentionSettings; readonly disk: DiskSettings } {
  refuseUnknownOptions("retention", options, OPTIONS);
  const { fileReservedTimeHours, deleteWhen: when = "04", keepUnconsumed, minFreeBytes } = options;
  const hours = integerOption("retention.fileReservedTimeHours", fileReservedTimeHours, {
    min: 0,
    max: 1_000_000,
    fallback: 72,
  });
  const deleteWhen = typeof when === "string" ? DeleteHours.parse(when) : undefined;
  if (deleteWhen === undefined)
    throw invalid(`retention.deleteWhen must be hours like "04" or "04;16", got ${describe(when)}`);
  return {
    retention: {
      reservedMs: hours * 3_600_000,
      deleteWhen,
      keepsUnconsumed: booleanOption("retention.keepUnconsumed", keepUnconsumed, profile.keepUnconsumed),
      catchesUp: profile.catchesUpRetention,
    },
    disk: {
      minFreeBytes: integerOption("retention.minFreeBytes", minFreeBytes, {
        min: 0,
        max: Number.MAX_SAFE_INTEGER,
        fallback: profile.minFreeBytes,
      }),
      maxUsedPercent: maxUsedPercentOption(options.diskMaxUsedSpaceRatio) ?? profile.diskMaxUsedSpaceRatio,
      hasSteps: profile.hasDiskSteps,
    },
  };
}

/** Source: RocketMQ, `MessageStoreConfig.java`, `getDiskMaxUsedSpaceRatio`. */
function maxUsedPercentOption(value: unknown): number | undefined {
  if (value === undefined) return undefined;
  const percent = integerOption("retention.diskMaxUsedSpaceRatio", value, { min: 0, max: 100, fallback: 0 });
  return Math.min(Math.max(percent, 10), 95);
}
