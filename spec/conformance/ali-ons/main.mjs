/**
 * `main.mjs FOLDER NAMESERVER RUN SCENARIO…`: runs scenarios side by side with the client that is installed in the folder, and writes one line for each, its parts
 * between tabs: `ok NAME MS` or `failed NAME WHY`.
 */
import { Wrong } from "./check.mjs";
import { Clients } from "./clients.mjs";
import { SCENARIOS } from "./scenarios.mjs";

const [folder, nameserver, run, ...wanted] = process.argv.slice(2);

function say(verdict, name, detail) {
  process.stdout.write(`${[verdict, name, String(detail).replaceAll(/[\t\r\n]+/g, " ")].join("\t")}\n`);
}

async function report(name) {
  const began = performance.now();
  const clients = new Clients(folder, nameserver, `${name}-${run}`);
  try {
    await SCENARIOS[name](clients);
    say("ok", name, Math.round(performance.now() - began));
  } catch (error) {
    say("failed", name, error instanceof Wrong ? error.message : (error.stack ?? error));
  }
  await clients.close();
}

await Promise.all(wanted.map(report));
// The client shares a producer that nobody can close.
process.exit();
