// Lives of processes: each begins on the store, works, and ends as chance chose, most of them by being killed.

import { setTimeout as pause } from "node:timers/promises";
import { choosePoint, namePoint } from "./named-points.mjs";

/** A named point that is not reached by then is given up, and the process killed where it is. */
const PATIENCE_MS = 1_000;
/** On a sound store one begins to work, and ends when it is told to, sooner than this, on however busy a machine. */
const ALWAYS_MS = 30_000;
/** How long one that stopped keeps the others waiting. */
const STOPPED_MS = 40;

const ANY_MOMENT = "any moment";

/** How long one that hung goes on. */
const AFTERWARDS_MS = 400;

/** How a process is to end. Where the machine is busy starting others, each lives longer. */
export function planEnd(chance, workload) {
  const { processes, hangsMs } = workload;
  const afterMs = chance.between(5, processes === 1 ? 300 : 800);
  if (hangsMs !== undefined && chance.oneIn(3)) return { end: hangs, afterMs, hangsMs };
  const way = chance.below(16);
  if (way === 0) return { end: closes, afterMs };
  if (way === 1) return { end: diesClosing, afterMs, closingMs: chance.below(20) };
  if (way === 2) return { end: diesStarting, afterMs: chance.below(80) };
  if (way < 9) return { end: diesWorking, afterMs };
  return { end: diesAtPoint, point: choosePoint(chance, workload) };
}

/** @returns at what moment it ended; throws when it does not do what every process does. */
export async function endAsPlanned(child, plan, life) {
  const isOver = child.ended.then(() => "ended");
  try {
    return await plan.end({ child, plan, life, isOver });
  } finally {
    child.kill();
    await child.ended;
  }
}

async function closes(context) {
  const { child, isOver } = context;
  await works(context);
  child.stop();
  await orThrow("close", isOver);
  return "closed";
}

async function diesClosing(context) {
  const { child, plan, isOver } = context;
  await works(context);
  child.stop();
  await Promise.race([pause(plan.closingMs), isOver]);
  return "while closing";
}

async function diesStarting({ plan, isOver }) {
  await Promise.race([pause(plan.afterMs), isOver]);
  return "while starting";
}

async function diesWorking(context) {
  await works(context);
  return ANY_MOMENT;
}

/** It is stopped for longer than its lease; then it goes on for a while. */
async function hangs(context) {
  const { child, plan, life, isOver } = context;
  await works(context);
  child.stall();
  await Promise.race([pause(plan.hangsMs), isOver]);
  // All that it had told before is read by now.
  life.hung();
  child.resume();
  await Promise.race([pause(AFTERWARDS_MS), isOver]);
  return "after it hung";
}

async function diesAtPoint({ plan, life, isOver }) {
  const reached = Promise.race([life.tells("reached"), life.tells("stopped")]).then(() => "reached");
  const first = await Promise.race([reached, isOver, pause(PATIENCE_MS, "late", { ref: false })]);
  if (first !== "reached") return ANY_MOMENT;
  await (plan.point.isStop ? Promise.race([pause(STOPPED_MS), isOver]) : isOver);
  return namePoint(plan.point);
}

async function works({ plan, life, isOver }) {
  await orThrow("begin to work", Promise.race([life.tells("ready"), isOver]));
  await Promise.race([pause(plan.afterMs), isOver]);
}

async function orThrow(what, promise) {
  const first = await Promise.race([promise, pause(ALWAYS_MS, "late", { ref: false })]);
  if (first === "late") throw new Error(`did not ${what} within ${ALWAYS_MS} ms`);
}
