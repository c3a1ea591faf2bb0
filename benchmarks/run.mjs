/**
 * `npm run bench -- [NAME…] [--smoke] [--trials 5] [--synchronous full,normal] [--drivers a,b] [--no-servers] [--out FILE] [--check]
 * [--profile FOLDER]`
 *
 * NAME: only the scenario of this name, or where none has it those whose names contain it. Within a round every driver takes its turn, each in a process of its own on fresh files, before
 * the next scenario; the order turns from round to round. So whatever else the machine does falls on all, and ratios within a round hold.
 * A run of everything replaces results/scenarios.json. `--smoke` makes everything small and only proves that it works. A driver whose server this
 * machine does not have is skipped; nothing is ever installed.
 */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { BODY_SIZE } from "./drivers/bodies.mjs";
import { LEFT_OUT } from "./drivers/left-out.mjs";
import { describeMachine } from "./harness/machine.mjs";
import { summarizeProfile } from "./harness/profile-summary.mjs";
import { RESULTS, toMarkdown } from "./harness/report.mjs";
import { takeSnapshot } from "./harness/snapshot.mjs";
import { judge } from "./harness/targets.mjs";
import { runTrial } from "./harness/trial.mjs";
import { SCENARIOS } from "./scenario/all.mjs";
import { Servers } from "./servers/all.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    smoke: { type: "boolean", default: false },
    trials: { type: "string" },
    synchronous: { type: "string", default: "full,normal" },
    drivers: { type: "string" },
    "no-servers": { type: "boolean", default: false },
    out: { type: "string" },
    check: { type: "boolean", default: false },
    profile: { type: "string" },
  },
});

const rounds = Number(values.trials ?? (values.smoke || values.profile !== undefined ? 1 : 5));
if (!Number.isInteger(rounds) || rounds < 1)
  throw new Error(`--trials must be a positive integer, got ${values.trials}`);
const modes = values.synchronous.split(",");
for (const mode of modes)
  if (!["full", "normal", "off"].includes(mode))
    throw new Error(`--synchronous takes full, normal and off, got ${mode}`);
const isNamed = ({ name }) =>
  positionals.some(
    (given) => name === given || (name.includes(given) && SCENARIOS.every((other) => other.name !== given)),
  );
const scenarios = positionals.length === 0 ? SCENARIOS : SCENARIOS.filter(isNamed);
if (scenarios.length === 0)
  throw new Error(`no scenario is called so: ${SCENARIOS.map(({ name }) => name).join(", ")}`);
const isWhole =
  positionals.length === 0 &&
  values.drivers === undefined &&
  !values["no-servers"] &&
  !values.smoke &&
  modes.length > 1 &&
  values.profile === undefined;

const turned = (items, by) => items.map((_, index) => items[(index + by) % items.length]);
/** `normal` sets the size for `off` too. */
const sizeOf = (sizes, mode) => sizes?.[values.smoke ? "smoke" : mode === "full" ? "full" : "normal"];

const wanted = values.drivers?.split(",");
const isWanted = (driver) => wanted === undefined || wanted.includes(driver);
const servers = new Servers({ isWanted: !values["no-servers"] });
const skipped = skippedDrivers();
for (const [driver, reason] of Object.entries(skipped)) process.stdout.write(`skipped: ${driver}, ${reason}\n`);
const machine = describeMachine(root, servers.versions());
const { snapshot, remove } = takeSnapshot(root);
const trials = [];
const start = performance.now();
const loads = [loadavg()[0]];

function skippedDrivers() {
  const drivers = new Set([...scenarios.flatMap((scenario) => scenario.drivers), ...Object.keys(LEFT_OUT)]);
  const reasons = [...drivers]
    .filter(isWanted)
    .map((driver) => [driver, LEFT_OUT[driver] ?? servers.reasonToSkip(driver)]);
  return Object.fromEntries(reasons.filter(([, reason]) => reason !== undefined));
}

async function runRound(scenario, synchronous, round) {
  const drivers = scenario.drivers.filter((driver) => isWanted(driver) && skipped[driver] === undefined);
  const keep = (driver, figures) =>
    trials.push({ scenario: scenario.name, synchronous, driver, round, batch: scenario.batch, figures });
  if (scenario.measureAll !== undefined) {
    const folder = mkdtempSync(join(tmpdir(), "pocketmq-bench-"));
    try {
      const messages = sizeOf(scenario.messages, synchronous);
      const all = await scenario.measureAll({ snapshot, folder, synchronous, messages });
      for (const [driver, figures] of Object.entries(all)) keep(driver, figures);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
    return;
  }
  for (const driver of turned(drivers, round)) {
    const messages = sizeOf(scenario.fewer?.[driver], synchronous) ?? sizeOf(scenario.messages, synchronous);
    const { name, timeLimitMs } = scenario;
    const trial = { scenario: name, driverName: driver, synchronous, messages, timeLimitMs };
    trial.stored = sizeOf(scenario.fewerStored?.[driver], synchronous) ?? sizeOf(scenario.stored, synchronous);
    if (values.profile !== undefined) {
      mkdirSync(values.profile, { recursive: true });
      trial.profile = join(values.profile, `${scenario.name}-${synchronous}-${driver}.cpuprofile`);
    }
    keep(driver, await runTrial(snapshot, servers, trial));
    // Some scenarios have no phase of which a profile is taken.
    if (trial.profile !== undefined && existsSync(trial.profile))
      process.stdout.write(`${trial.profile}\n${summarizeProfile(trial.profile)}\n\n`);
  }
}

try {
  for (let round = 0; round < rounds; round += 1) {
    for (const scenario of scenarios) for (const mode of modes) await runRound(scenario, mode, round);
    loads.push(loadavg()[0]);
    const seconds = Math.round((performance.now() - start) / 1_000);
    process.stderr.write(`round ${round + 1} of ${rounds}: ${trials.length} trials, ${seconds} s\n`);
  }
} finally {
  remove();
  servers.remove();
}

const results = {
  machine,
  settings: { bodyBytes: BODY_SIZE, trials: rounds, smoke: values.smoke, loads, skipped },
  seconds: Math.round((performance.now() - start) / 1_000),
  trials,
};
const out = values.out ?? (isWhole ? RESULTS : undefined);
if (out !== undefined) writeFileSync(out, `${JSON.stringify(results, undefined, 1)}\n`);
if (values.smoke) process.stdout.write(`${trials.length} trials, all counts right\n`);
else process.stdout.write(`${toMarkdown(results)}\n`);
if (values.check && judge(trials).some(({ isMet }) => !isMet)) process.exitCode = 1;
