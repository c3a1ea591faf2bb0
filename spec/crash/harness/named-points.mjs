// Points at which a process dies by itself, or stops until it is killed: before or after the n-th run of a statement.

import { watchStatements } from "../children/crash-point.mjs";

/**
 * Statements by how they begin, each with the highest n: what is rare would never be reached. With a third: only where that ran since the last one.
 */
const STATEMENTS = [
  ["BEGIN", 20],
  ["COMMIT", 20],
  ["INSERT INTO mq_log", 15],
  ["INSERT INTO mq_consume_offset", 10],
  ["INSERT INTO mq_engine", 1],
  ["DELETE FROM mq_engine", 2],
  ["INSERT INTO mq_member", 2],
  ["DELETE FROM mq_member", 2],
  ["INSERT INTO mq_claim", 6],
  ["DELETE FROM mq_claim", 4],
  ["INSERT INTO crash_row", 3],
];
/** Of workloads whose consumers pull, and of those whose consumers pop. */
const PULLING = [
  ["INSERT INTO mq_broadcast_offset", 10],
  ["INSERT INTO mq_sent_back", 4],
  ["DELETE FROM mq_sent_back", 4],
  ["INSERT INTO mq_due", 4],
  ["DELETE FROM mq_due", 3],
];
const POPPING = [
  ["INSERT INTO mq_pop ", 10],
  ["UPDATE mq_pop ", 10],
  ["DELETE FROM mq_pop ", 10],
];
const POPPING_IN_ORDER = [
  ["INSERT INTO mq_pop_order", 15],
  ["DELETE FROM mq_pop_order", 10],
];
/** A half message is stored, the application does its own, the end is stored, or a check that finds it. */
const TRANSACTING = [
  ["INSERT INTO mq_half", 5],
  ["INSERT INTO mq_half", 5],
  ["INSERT INTO crash_row", 3],
  ["INSERT INTO crash_row", 3],
  ["INSERT OR IGNORE INTO crash_void", 2],
  ["DELETE FROM mq_half", 4],
  ["DELETE FROM mq_half", 4],
  ["UPDATE mq_half", 3],
  ["UPDATE mq_half", 3],
];
/** A key is taken, an effect is made, undone or committed, or what a handler did is told to be done, or not. */
const TAKES_KEY = "INSERT INTO mq_dedup (group_number, dedup_key, owner, expires_at) VALUES (?, ?, ?";
const COMPLETES_KEY = "INSERT INTO mq_dedup (group_number, dedup_key, owner, expires_at) VALUES (?, ?, NULL";
const MAKES_EFFECT = "INSERT INTO crash_effect";
const DONE_ONCE = [
  [TAKES_KEY, 5],
  [MAKES_EFFECT, 3],
  [MAKES_EFFECT, 3],
  ["RELEASE mq_effect", 3],
  ["ROLLBACK TO mq_effect", 1],
  ["COMMIT", 2, MAKES_EFFECT],
  ["COMMIT", 2, MAKES_EFFECT],
  [COMPLETES_KEY, 3],
  [COMPLETES_KEY, 3],
  ["COMMIT", 2, COMPLETES_KEY],
  ["DELETE FROM mq_dedup WHERE group_number = ? AND dedup_key = ? AND owner", 1],
];
/** Longer than any process is left where it stopped. */
const STOPPED_MS = 60_000;

export function choosePoint(
  chance,
  { isPopping = false, isOrderly = false, isTransacting = false, isDoneOnce = false },
) {
  const more = isPopping ? (isOrderly ? POPPING_IN_ORDER : POPPING) : PULLING;
  const own = isTransacting ? TRANSACTING : isDoneOnce ? [...DONE_ONCE, ...DONE_ONCE] : [];
  const [statement, most, since] = chance.pick([...STATEMENTS, ...more, ...own]);
  const moment = chance.pick(["before", "after"]);
  return { statement, since, moment, nth: chance.between(1, most), isStop: chance.oneIn(3) };
}

export function namePoint({ moment, statement, since }) {
  return `${moment} ${statement}${since === undefined ? "" : ` of ${since}`}`;
}

/** Watches all connections that are opened from now on. */
export function armPoint(point, tell) {
  const { since } = point;
  let left = point.nth;
  let isArmed = since === undefined;
  const reach = (moment) => (source) => {
    if (since !== undefined && source.startsWith(since)) isArmed = true;
    if (!isArmed || !source.startsWith(point.statement)) return;
    if (moment === "after") isArmed = since === undefined;
    if (moment !== point.moment) return;
    left -= 1;
    if (left !== 0) return;
    tell(point.isStop ? "stopped" : "reached");
    if (point.isStop) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, STOPPED_MS);
    process.kill(process.pid, "SIGKILL");
  };
  watchStatements({ before: reach("before"), after: reach("after") });
}
