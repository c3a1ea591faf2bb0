/** CPU time that a server and the processes it made have taken. */
import { existsSync, readdirSync, readFileSync } from "node:fs";

/** Linux counts in hundredths of a second, whatever the kernel's own tick. */
const TICKS_PER_SECOND = 100;

/** Seconds, those of ended children included; `undefined` where there is no /proc to read them from. */
export function cpuSecondsOf(pid) {
  if (!existsSync("/proc/self/stat")) return undefined;
  const server = statOf(pid);
  if (server === undefined) throw new Error(`the server, process ${pid}, has ended`);
  const children = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(statOf)
    .filter((stat) => stat?.parent === pid);
  const ticks = children.reduce((sum, { own }) => sum + own, server.own + server.ofEnded);
  return ticks / TICKS_PER_SECOND;
}

/** `undefined` once the process has ended. */
function statOf(pid) {
  let stat;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return undefined;
  }
  // The name in parentheses may itself hold blanks and parentheses.
  const numbers = stat
    .slice(stat.lastIndexOf(")") + 2)
    .split(" ")
    .map(Number);
  const [user, system, endedUser, endedSystem] = numbers.slice(11, 15);
  return { parent: numbers[1], own: user + system, ofEnded: endedUser + endedSystem };
}
