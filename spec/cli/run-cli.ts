import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

const MAIN = join(import.meta.dirname, "../../dist/cjs/cli/main.js");

/** The 20,000 flights that `npm start` takes. */
export const FLIGHTS_FILE: string = join(import.meta.dirname, "../../node_modules/vega-datasets/data/flights-20k.json");

export interface CliRun {
  /** The signal's name when one ended the process. */
  readonly exit: number | string | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliOptions {
  /** What the command takes for the system's temporary folder. */
  readonly tmpdir: string;
  readonly stdin?: string;
}

/** `pocketmq` in a process of its own. */
export function startCli(args: readonly string[], tmpdir: string): ChildProcessWithoutNullStreams {
  const env = { ...process.env, TMPDIR: tmpdir, TEMP: tmpdir, npm_lifecycle_event: "" };
  return spawn(process.execPath, [MAIN, ...args], { env });
}

/** What it says and how it ends. */
export async function ended(child: ChildProcessWithoutNullStreams): Promise<CliRun> {
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const [code, signal] = (await once(child, "close")) as [number | null, string | null];
  return { exit: code ?? signal, stdout, stderr };
}

/** Runs it from start to end. */
export function runCli(args: readonly string[], { tmpdir, stdin = "" }: CliOptions): Promise<CliRun> {
  const child = startCli(args, tmpdir);
  child.stdin.end(stdin);
  return ended(child);
}

/** The part of `demo --json` that the specs look at. */
export interface DemoJson {
  readonly ok: boolean;
  readonly store: string;
  readonly sent: number;
  readonly consumed: number;
  readonly synchronous: string;
  readonly problems: readonly string[];
  readonly groups: readonly {
    readonly group: string;
    readonly expression: string;
    readonly isRight: boolean;
    readonly expected: number;
    readonly consumed: number;
    readonly missing: number;
    readonly repeated: number;
    readonly fromEarlierRuns: number;
    readonly members: readonly { readonly messages: number; readonly queueIds: readonly number[] }[];
    readonly tags: readonly { readonly tag?: string; readonly expected: number; readonly consumed: number }[];
    readonly differences: readonly object[];
  }[];
  readonly displays: {
    readonly group: string;
    readonly isRight: boolean;
    readonly expected: readonly BoardEntryJson[];
    readonly displays: readonly {
      readonly name: string;
      readonly isRight: boolean;
      readonly messages: number;
      readonly missing: number;
      readonly repeated: number;
      readonly fromEarlierRuns: number;
      readonly board: readonly BoardEntryJson[];
    }[];
  };
  readonly late: {
    readonly group: string;
    readonly isRight: boolean;
    readonly measured: number;
    readonly attempts: readonly {
      readonly reconsumeTimes: number;
      readonly expected: number;
      readonly delivered: number;
    }[];
    readonly repeated: number;
    readonly unexpected: number;
    readonly fromEarlierRuns: number;
    readonly deadLetters: DeadLettersJson;
  };
}

export interface BoardEntryJson {
  readonly tag?: string;
  readonly count: number;
  readonly largest?: number;
}

export interface DeadLettersJson {
  readonly topic: string;
  readonly isRight: boolean;
  readonly expected: number;
  readonly found: number;
  readonly missing: number;
  readonly letters: readonly DeadLetterJson[];
  readonly ofEarlierRuns: number;
  readonly lettersOfEarlierRuns: readonly DeadLetterJson[];
}

export interface DeadLetterJson {
  readonly key: string;
  readonly tag?: string;
  readonly value?: number;
  readonly reconsumeTimes: number;
}

/** The part of `demo --resume --json` that the specs look at. */
export interface ResumeJson {
  readonly ok: boolean;
  readonly store: string;
  readonly lastRun: { readonly started: { readonly input: string }; readonly finished?: { readonly records: number } };
  readonly topics: readonly { readonly topic: string; readonly queues: number; readonly messages: number }[];
  readonly groups: readonly {
    readonly group: string;
    readonly lagBefore: number;
    readonly lagAfter: number;
    readonly delivered: number;
    readonly retries: number;
  }[];
  readonly displays: readonly { readonly name: string; readonly delivered: number; readonly wasTheRest: boolean }[];
  readonly deadLetters?: DeadLettersJson;
  readonly lastMessages: readonly { readonly tag?: string; readonly keys: readonly string[]; readonly body: string }[];
}

export function json<T>(run: CliRun): T {
  return JSON.parse(run.stdout) as T;
}

/** NDJSON of so many flights between a few airports; where it is said, each n-th is 301 minutes late and the others 300. */
export function flightLines(amount: number, lateEach?: number): string {
  const airports = ["DFW", "ORD", "ATL", "LAX", "PHX"];
  return Array.from({ length: amount }, (_, at) => {
    const delay = lateEach === undefined ? {} : { delay: (at + 1) % lateEach === 0 ? 301 : 300 };
    return `${JSON.stringify({ origin: airports[at % 5], at, ...delay })}\n`;
  }).join("");
}

/** The keys of the dead letters that a report lists: those of its run, in its order, and those of earlier ones, sorted. */
export function deadLettersIn({ stdout }: CliRun): {
  readonly own: readonly string[];
  readonly verdict: string | undefined;
  readonly earlier: readonly string[];
} {
  const [, list = ""] = stdout.split(/^%DLQ%late-flights: .*\n/m);
  const [own = "", earlier = ""] = (list.split("\n\n")[0] ?? "").split(/^ {2}besides .* of earlier runs:$/m);
  const keys = (text: string): string[] => [...text.matchAll(/^ {2}(\S+) +\S+ +\d+ +3$/gm)].map(([, key = ""]) => key);
  // Which of several failed first depends on the queues that they went to.
  return { own: keys(own), verdict: /^ {2}(\d+ of \d+, .*)$/m.exec(own)?.[1], earlier: keys(earlier).sort() };
}
