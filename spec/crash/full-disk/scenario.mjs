// node scenario.mjs NAME FOLDER: one scenario on the disk that FOLDER is.

import { SCENARIOS } from "./scenarios.mjs";

const [name, folder] = process.argv.slice(2);
const problems = [];
const notes = [];
const started = performance.now();
try {
  await SCENARIOS[name]({
    folder,
    check: (holds, otherwise) => void (holds || problems.push(otherwise)),
    note: (text) => void notes.push(text),
  });
} catch (error) {
  problems.push(error instanceof Error ? error.stack : String(error));
}
const seconds = ((performance.now() - started) / 1_000).toFixed(1);
process.stdout.write(`${name}: ${problems.length === 0 ? "nothing is wrong" : "WRONG"}, ${seconds} s\n`);
for (const text of notes) process.stdout.write(`  ${text}\n`);
for (const text of problems) process.stdout.write(`  WRONG: ${text}\n`);
if (problems.length > 0) process.exitCode = 1;
