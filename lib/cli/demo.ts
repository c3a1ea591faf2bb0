import { parseArgs } from "node:util";
import { type Broker, openBroker } from "../index.js";
import { usageError } from "./command-error.js";
import type { Command } from "./command-line.js";
import { runDemo } from "./demo-job.js";
import { LATE_RULE } from "./demo-names.js";
import { demoJson, demoReport } from "./demo-report.js";
import { isAllRight } from "./demo-result.js";
import { resumeDemo } from "./demo-resume.js";
import { keptStore, newStore } from "./kept-store.js";
import type { LateRule } from "./late-rule.js";
import { Progress } from "./progress.js";
import { isResumeRight, resumeJson, resumeReport } from "./resume-report.js";
import type { Terminal } from "./terminal.js";
import { demonstrateTransactions } from "./transaction-demo.js";

const HELP = `pocketmq demo --input FILE|- [OPTIONS]
pocketmq demo --resume [OPTIONS]
pocketmq demo transactions [--json]

Sends every record of the input to the topic "flights" while four consumer groups take them, and compares what they got
with the input:

  departure-board   its two members share all messages
  busiest-airports  takes the three most frequent tags (among the first 10,000 records)
  gate-displays     broadcasting: each of its two instances gets all messages, and keeps a board by tag
  late-flights      fails on what is late, is given it twice again after a second each, and leaves it to the dead letters

  --input FILE       NDJSON, a JSON array or CSV with a first row of names; - reads standard input
  --tag-field NAME   which field of a record becomes its tag; records without it get none (default: origin)
  --late-field NAME  which field has a number that makes a record late (default: delay)
  --late-over LIMIT  … when it is above this limit (default: 300)
  --store FILE       where the messages are kept (default: a new folder under the system's temporary folder)
  --resume           sends nothing: opens the store of the last run again, or that of --store, consumes what is left in
                     it and shows what is there
  --json             one JSON object instead of text; errors go to stderr as always
  --help             this text

With the word "transactions" it runs RocketMQ's tutorial on transactions instead, in memory: five messages that are committed, rolled
back, or left for their producer to be asked, in two seconds.

How the input is read follows from its name: .ndjson, .jsonl, .json, .csv; otherwise from its first character.
Exit code: 0 all counts are right, 1 they are not or the input or store cannot be used, 2 wrong options, 130 interrupted.
`;

const OPTIONS = {
  input: { type: "string" },
  "tag-field": { type: "string" },
  "late-field": { type: "string" },
  "late-over": { type: "string" },
  store: { type: "string" },
  resume: { type: "boolean" },
  json: { type: "boolean" },
} as const;

const KNOWN_OPTIONS = `${Object.keys(OPTIONS)
  .map((name) => `--${name}`)
  .join(", ")} and the word transactions`;

interface DemoOptions {
  readonly isOnTransactions: boolean;
  readonly input: string | undefined;
  readonly tagField: string;
  readonly lateRule: LateRule;
  readonly store: string | undefined;
  readonly resume: boolean;
  readonly json: boolean;
}

export const demoCommand: Command = {
  name: "demo",
  summary: "sends the records of a file through four consumer groups and checks what arrives",
  help: HELP,
  run: async (args, terminal) => {
    const options = parseOptions(args);
    if (options.isOnTransactions) return demonstrateTransactions(options.json, terminal);
    return options.resume ? resume(options, terminal) : run(options, terminal);
  },
};

async function run(options: DemoOptions, terminal: Terminal): Promise<number> {
  const { input, tagField, lateRule, store: asked, json } = options;
  if (input === undefined) throw usageError("demo needs --input FILE (- is standard input), or --resume", "demo");
  const { stdin, stdout, stderr, signal } = terminal;
  const progress = new Progress(stderr);
  let store = "";
  const openStore = async (): Promise<Broker> => {
    const path = newStore(asked);
    const mq = await openBroker({ path });
    store = path;
    return mq;
  };
  try {
    const result = await runDemo({ input, stdin, openStore, tagField, lateRule, progress, signal });
    if (json) stdout.write(`${JSON.stringify(demoJson(result, store))}\n`);
    else stdout.write(demoReport(result, store, howToResume(asked), stdout.columns));
    return isAllRight(result) ? 0 : 1;
  } catch (error) {
    progress.clear();
    if (store !== "") stderr.write(`What was sent is kept in ${store}\nGo on with it: ${howToResume(asked)}\n`);
    throw error;
  }
}

async function resume({ store: asked, json }: DemoOptions, { stdout, signal }: Terminal): Promise<number> {
  const store = keptStore(asked);
  const found = await resumeDemo(store, signal);
  stdout.write(json ? `${JSON.stringify(resumeJson(found, store))}\n` : resumeReport(found, store));
  return isResumeRight(found) ? 0 : 1;
}

/** As the user began: npm has no command on the path. */
function howToResume(store: string | undefined): string {
  const { npm_lifecycle_event: script } = process.env;
  const options = store === undefined ? "--resume" : `--resume --store ${JSON.stringify(store)}`;
  return script === "start" ? `npm start -- ${options}` : `pocketmq demo ${options}`;
}

function parseOptions(args: readonly string[]): DemoOptions {
  const {
    values: { resume = false, json = false, ...named },
    positionals,
  } = parse(args);
  const [scenario, ...others] = positionals;
  if ((scenario !== undefined && scenario !== "transactions") || others.length > 0)
    throw usageError(`demo: Unexpected argument '${others[0] ?? scenario}'; it has ${KNOWN_OPTIONS}`, "demo");
  for (const [name, value] of Object.entries(named)) {
    if (value === "") throw usageError(`--${name} must not be empty`, "demo");
  }
  const { input, "tag-field": tagField = "origin", "late-field": field = LATE_RULE.field, store } = named;
  if (store === ":memory:") throw usageError("--store must be a file: the demo keeps its store", "demo");
  const lateRule = { field, over: parseLimit(named["late-over"]) };
  return { isOnTransactions: scenario !== undefined, input, tagField, lateRule, store, resume, json };
}

function parseLimit(text: string | undefined): number {
  if (text === undefined) return LATE_RULE.over;
  const limit = Number(text);
  if (text.trim() !== "" && Number.isFinite(limit)) return limit;
  throw usageError(`--late-over must be a number, got ${JSON.stringify(text)}`, "demo");
}

function parse(
  args: readonly string[],
): ReturnType<typeof parseArgs<{ options: typeof OPTIONS; allowPositionals: true }>> {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, strict: true, allowPositionals: true });
  } catch (error) {
    // Node's hints about "--" do not help here; its first sentence says what is wrong.
    const [what = ""] = (error as Error).message.split(/\.(?:\s|$)/);
    throw usageError(`demo: ${what}; it has ${KNOWN_OPTIONS}`, "demo");
  }
}
