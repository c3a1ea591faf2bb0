/**
 * `npm run bench:wire -- [--rounds 5] [--seconds 120] [--smoke] [--keep]`
 *
 * Idle clients, and the first message of a Java client beside Apache RocketMQ, in turn. `--keep` puts the figures into results/wire.json and README.md beside this file. `--smoke` does everything once and shortly: it
 * proves that it runs. Where Java or Maven is missing, one line says so in place of the first message.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { hasTool } from "../../spec/conformance/processes.mjs";
import { describeMachine } from "../harness/machine.mjs";
import { median } from "../harness/statistics.mjs";
import { measureFirstMessage, prepareClient } from "./first-message.mjs";
import { measureIdleClients } from "./idle-clients.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const RESULTS = fileURLToPath(new URL("../results/wire.json", import.meta.url));
const PAGE = fileURLToPath(new URL("README.md", import.meta.url));
const [MiB, SECOND] = [2 ** 20, 1_000];

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "120" },
    smoke: { type: "boolean", default: false },
    keep: { type: "boolean", default: false },
  },
});
const rounds = values.smoke ? 1 : Number(values.rounds);
const seconds = values.smoke ? 5 : Number(values.seconds);
if (!Number.isInteger(rounds) || rounds < 1 || !(seconds > 0))
  throw new Error("--rounds and --seconds must be positive");

const missing = ["java", "javac", "mvn"].filter((tool) => !hasTool(tool));
const results = {
  machine: describeMachine(root, {}),
  idleClients: await measureIdleClients(seconds),
  firstMessage: missing.length > 0 ? undefined : await firstMessages(),
};
const text = toMarkdown(results);
process.stdout.write(`${text}\n`);
if (missing.length > 0) process.stdout.write(`first message: left out, there is no ${missing.join(" and no ")} here\n`);
if (values.keep) keep(results, text);

async function firstMessages() {
  const client = await prepareClient();
  const measured = [];
  for (let round = 0; round < rounds; round += 1) measured.push(await measureFirstMessage(client));
  return Object.fromEntries(
    ["pocketmq", "rocketmq"].map((name) => [name, medians(measured.map((each) => each[name]))]),
  );
}

function medians(measured) {
  return Object.fromEntries(Object.keys(measured[0]).map((key) => [key, median(measured.map((each) => each[key]))]));
}

function toMarkdown({ idleClients, firstMessage }) {
  const idle = Object.entries(idleClients).map(([kind, { pocketmq, echo, timer }]) => {
    const percents = [pocketmq, echo, timer].map(({ cpuPercent }) => `${cpuPercent.toFixed(2)} %`);
    return `| ${kind} | ${[pocketmq.requestsPerSecond.toFixed(0), ...percents].join(" | ")} |`;
  });
  const lines = [
    "| 200 idle … | requests a second | CPU of pocketmq, of one core | of a server that answers with fixed frames | of a process that wakes four times a second |",
    "| --- | --- | --- | --- | --- |",
    ...idle,
  ];
  if (firstMessage === undefined) return lines.join("\n");
  const { pocketmq: ours, rocketmq: theirs } = firstMessage;
  const row = (title, key, format) =>
    `| ${title} | ${format(ours[key])} | ${format(theirs[key])} | ${(theirs[key] / ours[key]).toFixed(1)} |`;
  const inSeconds = (ms) => `${(ms / SECOND).toFixed(2)} s`;
  const inMiB = (bytes) => `${(bytes / MiB).toFixed(1)} MiB`;
  return [
    ...lines,
    "",
    "| a Java client's first message | pocketmq | Apache RocketMQ 5.3.3 | times |",
    "| --- | --- | --- | --- |",
    row("from the command until clients can come", "readyMs", inSeconds),
    row("until it has sent", "sentMs", inSeconds),
    row("until it has consumed", "consumedMs", inSeconds),
    row("resident memory then", "rssBytes", inMiB),
    row("on the disk then", "diskBytes", inMiB),
  ].join("\n");
}

function keep(kept, text) {
  writeFileSync(RESULTS, `${JSON.stringify({ ...kept, rounds, seconds }, null, 2)}\n`);
  const page = readFileSync(PAGE, "utf8");
  const { commit, cpu, node } = kept.machine;
  const told = `Medians of ${rounds}, ${seconds} s of idling; commit ${commit}, ${cpu}, Node ${node}.\n\n${text}`;
  writeFileSync(PAGE, page.replace(/(<!-- results -->\n).*?(\n<!-- end -->)/s, `$1\n${told}\n$2`));
}
