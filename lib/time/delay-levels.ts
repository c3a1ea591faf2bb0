const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** How long each of RocketMQ's 18 delay levels waits: 1 s, 5 s, 10 s, 30 s, 1 to 10, 20 and 30 min, 1 h, 2 h. Level 1 comes first. */
export const DELAY_LEVELS_MS: readonly number[] = [
  ...[1, 5, 10, 30].map((seconds) => seconds * SECOND),
  ...[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20, 30].map((minutes) => minutes * MINUTE),
  ...[1, 2].map((hours) => hours * HOUR),
];

/**
 * The level that a broker uses in place of this one: there is none above the last.
 *
 * Source: RocketMQ, `broker/.../util/HookUtils.java`, `handleScheduleMessage`.
 */
export function clampDelayLevel(level: number): number {
  return Math.min(level, DELAY_LEVELS_MS.length);
}

/** @param level - 1 or more; what is above the last level is the last. */
export function delayOfLevel(level: number): number {
  return DELAY_LEVELS_MS[clampDelayLevel(level) - 1] ?? 0;
}
