const UNITS_MS: ReadonlyMap<string, number> = new Map([
  ["s", 1_000],
  ["m", 60_000],
  ["h", 3_600_000],
  ["d", 86_400_000],
]);

/** `messageDelayLevels` unless it is set. Source: RocketMQ, `MessageStoreConfig.java`, `messageDelayLevel`. */
export const DELAY_LEVELS = "1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h";

/** How long the messages of each of RocketMQ's 18 delay levels wait, level 1 first. */
export const DELAY_LEVELS_MS: readonly number[] = parseDelayLevels(DELAY_LEVELS) ?? [];

/**
 * The delays that a text like {@link DELAY_LEVELS} names; `undefined`: it is none.
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
