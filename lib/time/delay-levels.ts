const UNITS_MS: ReadonlyMap<string, number> = new Map([
  ["s", 1_000],
  ["m", 60_000],
  ["h", 3_600_000],
  ["d", 86_400_000],
]);

const SECONDS = [1, 5, 10, 30];
const MINUTES = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20, 30];
const HOURS = [1, 2];

/**
 * How long the messages of each of RocketMQ's 18 delay levels wait, level 1 first.
 *
 * Source: RocketMQ, `MessageStoreConfig.java`, `messageDelayLevel`.
 */
export const DELAY_LEVELS_MS: readonly number[] = [
  ...SECONDS.map((seconds) => seconds * 1_000),
  ...MINUTES.map((minutes) => minutes * 60_000),
  ...HOURS.map((hours) => hours * 3_600_000),
];

/**
 * The delays that a text like `1s 30m 2h` names; `undefined`: it is none.
 *
 * Source: RocketMQ, `broker/.../schedule/ScheduleMessageService.java`, `parseDelayLevel`.
 */
export function parseDelayLevels(text: string): readonly number[] | undefined {
  const delays = text.split(" ").map((level) => {
    const [, count, unit = ""] = /^(\d+)([smhd])$/.exec(level) ?? [];
    return Number(count) * (UNITS_MS.get(unit) ?? Number.NaN);
  });
  return delays.every(Number.isSafeInteger) ? delays : undefined;
}

/**
 * The level that a broker uses in place of this one: there is none above the last.
 *
 * Source: RocketMQ, `broker/.../util/HookUtils.java`, `handleScheduleMessage`.
 */
export function clampDelayLevel(level: number, levelsMs: readonly number[] = DELAY_LEVELS_MS): number {
  return Math.min(level, levelsMs.length);
}

/** @param level - 1 or more; what is above the last level is the last. */
export function delayOfLevel(level: number, levelsMs: readonly number[] = DELAY_LEVELS_MS): number {
  return levelsMs[clampDelayLevel(level, levelsMs) - 1] ?? 0;
}
