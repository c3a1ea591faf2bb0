/**
 * `npm run conformance [-- --client java-4.9,java-5.3,go,ali-ons,company,spring-boot] [-- --against 127.0.0.1:9876] [-- --scenarios tags,retry]`
 *
 * Lets clients of RocketMQ, as their authors published them, loose on a broker of this package, and checks what they see. README.md says which does what.
 * Exit code 1 when a scenario fails, or is not reported; a client whose tools are missing is left out, which one line says.
 */
import { parseArgs } from "node:util";
import { openBroker } from "./broker.mjs";
import { CLIENTS } from "./clients.mjs";
import { hasTool } from "./processes.mjs";

const PREPARATIONS = 3;

const { values } = parseArgs({
  options: {
    client: { type: "string", default: CLIENTS.map(({ name }) => name).join(",") },
    scenarios: { type: "string" },
    against: { type: "string" },
  },
});

const clients = values.client.split(",").map((wanted) => {
  const found = CLIENTS.find(({ name }) => name === wanted);
  if (found === undefined)
    throw new Error(`--client must be some of ${CLIENTS.map(({ name }) => name).join(",")}, got ${wanted}`);
  return found;
});
const wanted = values.scenarios?.split(",");
const unknown = wanted?.find((scenario) => clients.every(({ scenarios }) => !scenarios.includes(scenario)));
if (unknown !== undefined) throw new Error(`--scenarios: none of the clients has ${unknown}`);

function say(text) {
  process.stdout.write(`${text}\n`);
}

/** @returns one line for each of what is wrong */
async function conform({ name, run }, expected, nameserver) {
  const { reports, error, output } = await run({
    nameserver,
    wanted: expected,
    isRocketMq: values.against !== undefined,
  });
  const problems = [];
  for (const scenario of expected) {
    const found = reports.filter((report) => report.scenario === scenario);
    if (found.length === 0) problems.push(`${name} ${scenario}: no word of it`);
    for (const { isOk, detail } of found) if (!isOk) problems.push(`${name} ${scenario}: ${detail}`);
  }
  if (error !== undefined) problems.push(`${name}: ${error}`);
  if (problems.length > 0) say(output);
  return problems;
}

/** A registry may not answer for a moment. */
async function untilAnswered(prepare) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await prepare();
    } catch (error) {
      if (attempt === PREPARATIONS) throw error;
      say(`prepared again, as it failed: ${error.message.split("\n")[0]}`);
    }
  }
}

/** @returns one line for each of what is wrong */
async function tryClient(client) {
  const expected = client.scenarios.filter((scenario) => wanted?.includes(scenario) ?? true);
  if (expected.length === 0) return [];
  const missing = client.tools.find((tool) => !hasTool(tool));
  if (missing !== undefined) {
    say(`${client.name}: left out, there is no ${missing} here`);
    return [];
  }
  if (client.hasOwnBroker && values.against !== undefined) return [];
  const began = performance.now();
  await untilAnswered(() => client.prepare());
  const prepared = performance.now();
  const broker = values.against === undefined && !client.hasOwnBroker ? await openBroker() : undefined;
  let found;
  try {
    found = await conform(client, expected, broker?.nameserver ?? values.against);
  } finally {
    await broker?.close();
  }
  if (found.length > 0 && broker !== undefined) say(broker.warnings());
  const seconds = (from, to) => `${((to - from) / 1_000).toFixed(1)} s`;
  const outcome = found.length === 0 ? "all hold" : `${found.length} problems`;
  const took = `${seconds(prepared, performance.now())}, prepared in ${seconds(began, prepared)}`;
  say(`${client.name}: ${expected.length} scenarios, ${outcome}, ${took}`);
  return found;
}

const started = performance.now();
const problems = [];
for (const client of clients) problems.push(...(await tryClient(client)));
for (const problem of problems) say(`FAILED ${problem}`);
const outcome = problems.length === 0 ? "nothing is wrong" : `${problems.length} problems`;
say(`conformance: ${outcome}, ${Math.round((performance.now() - started) / 1_000)} s`);
if (problems.length > 0) process.exitCode = 1;
