import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

/** How a child ended: its exit code, or the signal that killed it. */
export interface ChildEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A script of spec/crash/children that runs, and what it prints: one event a line, its name first. */
export interface ChildScript extends AsyncDisposable {
  /** The rest of each line so far that begins with `event`. */
  told(event: string): readonly string[];
  /** Resolves with the rest of the `count`-th line of this event; rejects when the script ends without it. */
  tells(event: string, count?: number): Promise<string>;
  /** Writes a line to its standard input. */
  say(line: string): void;
  /** SIGKILL; resolves when the process is gone and all that it had printed is read. */
  kill(): Promise<ChildEnd>;
  /** Resolves in the same way when it ends by itself. */
  ends(): Promise<ChildEnd>;
}

interface Waiter {
  readonly event: string;
  readonly count: number;
  readonly resolve: (rest: string) => void;
  readonly reject: (error: Error) => void;
}

/** Disposing kills it, should it still run. */
export function startChild(script: string, ...args: readonly (string | number)[]): ChildScript {
  const path = fileURLToPath(new URL(`../crash/children/${script}`, import.meta.url));
  const child = spawn(process.execPath, [path, ...args.map(String)], { stdio: ["pipe", "pipe", "inherit"] });
  const lines = new Map<string, string[]>();
  const waiters = new Set<Waiter>();
  const told = (event: string): readonly string[] => lines.get(event) ?? [];
  const look = (waiter: Waiter): boolean => {
    const rest = told(waiter.event)[waiter.count - 1];
    if (rest === undefined) return false;
    waiters.delete(waiter);
    waiter.resolve(rest);
    return true;
  };
  createInterface({ input: child.stdout }).on("line", (line) => {
    const [event = "", ...rest] = line.split(" ");
    const ofEvent = lines.get(event);
    if (ofEvent === undefined) lines.set(event, [rest.join(" ")]);
    else ofEvent.push(rest.join(" "));
    for (const waiter of [...waiters]) look(waiter);
  });
  const ended = new Promise<ChildEnd>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => {
      resolve({ code, signal });
      for (const { event, reject: refuse } of waiters)
        refuse(new Error(`${script} ended (${code ?? signal}) without telling "${event}"`));
    });
  });
  const kill = (): Promise<ChildEnd> => {
    child.kill("SIGKILL");
    return ended;
  };
  // Disposing is not reached by a spec that runs out of time.
  onTestFinished(() => void child.kill("SIGKILL"));
  return {
    told,
    tells: (event, count = 1) =>
      new Promise((resolve, reject) => {
        const waiter = { event, count, resolve, reject };
        if (look(waiter)) return;
        if (child.exitCode !== null || child.signalCode !== null)
          reject(new Error(`${script} had ended without telling "${event}"`));
        else waiters.add(waiter);
      }),
    say: (line) => void child.stdin.write(`${line}\n`),
    kill,
    ends: () => ended,
    [Symbol.asyncDispose]: async () => {
      await kill();
    },
  };
}
