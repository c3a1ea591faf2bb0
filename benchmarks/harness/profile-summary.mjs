/** Where a CPU profile spent its time: `node benchmarks/harness/profile-summary.mjs FILE`. */
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const LINES = 30;

/** Self time by function, native calls under the function that made them. */
export function summarizeProfile(file) {
  const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(file, "utf8"));
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const parents = new Map(nodes.flatMap((node) => (node.children ?? []).map((child) => [child, node.id])));
  const self = new Map();
  let total = 0;
  for (const [index, id] of samples.entries()) {
    const name = nameOf(byId.get(id), byId.get(parents.get(id)));
    self.set(name, (self.get(name) ?? 0) + timeDeltas[index]);
    total += timeDeltas[index];
  }
  const sorted = [...self].sort(([, a], [, b]) => b - a).slice(0, LINES);
  return sorted.map(([name, time]) => `${((time / total) * 100).toFixed(1).padStart(5)} %  ${name}`).join("\n");
}

function nameOf({ callFrame }, parent) {
  const own = frameName(callFrame);
  return callFrame.url === "" && parent !== undefined && !callFrame.functionName.startsWith("(")
    ? `${own} ← ${frameName(parent.callFrame)}`
    : own;
}

function frameName({ functionName, url, lineNumber }) {
  const place = url.replace(/^.*\/(dist\/esm|dist\/cjs|node_modules|benchmarks)\//, "");
  return `${functionName || "(anonymous)"}${place === "" ? "" : ` ${place}:${lineNumber + 1}`}`;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  for (const file of process.argv.slice(2)) process.stdout.write(`${file}\n${summarizeProfile(file)}\n\n`);
}
