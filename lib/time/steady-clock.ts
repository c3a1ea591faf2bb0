import type { Clock } from "./clock.js";

/** The least that is told of; clocks that are kept in time are moved by less. */
export const LEAST_JUMP_MS = 1_000;
/** What is late by so much was not held up by other work: the process was stopped, or slept with the machine, or its clock was set forth. */
export const STOPPED_MS = 30_000;

/** @param byMs - below 0: the clock was set back. Above: it was set forth, or nothing ran for so long. */
export type JumpListener = (byMs: number) => void;

/**
 * The clock for how long something takes: its time goes on when another clock, which says what time it is, is set back or forth. It finds that out, and tells of it.
 *
 * ```
 *           set forth an hour           set back an hour
 * wall    10:00 ── 10:05 ║ 11:05 ── 11:10 ║ 10:10 ──
 * steady  10:00 ── 10:05 ║ 10:05 ── 10:10 ║ 10:10 ──
 * ```
 * What lasts for some time in this process goes by the steady clock; what is stored, or told to somebody, by the other one.
 */
export interface SteadyClock extends Clock {
  /** When it is so late on this clock, unless the other one is set before; as of the last look. Looks at no clock. */
  fromWall(wallMs: number): number;
  /** What the other clock says then. Looks at no clock. */
  toWall(steadyMs: number): number;
  /** Has `onJump` called for each jump of a second or more, never amid other work, until it is closed. */
  watch(onJump: JumpListener): void;
  close(): void;
}
