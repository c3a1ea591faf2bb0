// Lives of processes: each begins on the store, works, and is killed at a moment that chance chose.

import { setTimeout as pause } from "node:timers/promises";
import { choosePoint, namePoint } from "./named-points.mjs";

/** A named point that is not reached by then is given up, and the process killed where it is. */
const PATIENCE_MS = 1_000;
/** One that works on a sound store begins sooner, on however busy a machine. */
const BEGIN_MS = 30_000;
/** How long one that stopped keeps the others waiting. */
const STOPPED_MS = 40;

/** When a process is to die. @param processes - how many there are: where the machine is busy starting others, each lives longer. */
export function planDeath(chance, processes) {
  if (chance.oneIn(2)) return { afterMs: chance.between(5, processes === 1 ? 300 : 800) };
  return { point: choosePoint(chance) };
}

/** Kills it as planned. @returns what to count it as; `undefined`: it did not even begin to work. */
export async function die(child, plan, life) {
  const isOver = child.ended.then(() => "ended");
  if (plan.point === undefined) {
    const first = await Promise.race([life.tells("ready"), isOver, pause(BEGIN_MS, "late", { ref: false })]);
    await Promise.race([pause(plan.afterMs), isOver]);
    child.kill();
    await child.ended;
    return first === "late" ? undefined : "any moment";
  }
  const reached = Promise.race([life.tells("reached"), life.tells("stopped")]).then(() => "reached");
  const first = await Promise.race([reached, isOver, pause(PATIENCE_MS, "late", { ref: false })]);
  if (first === "reached" && plan.point.isStop) await Promise.race([pause(STOPPED_MS), isOver]);
  else if (first === "reached") await child.ended;
  child.kill();
  await child.ended;
  return first === "late" ? "any moment" : namePoint(plan.point);
}
