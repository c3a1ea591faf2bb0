// The command line of run.mjs.

import { existsSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { parseArgs } from "node:util";
import { WORKLOADS } from "./workloads/all.mjs";

/** @returns what is to be done, or `refused` with the reason. */
export function readOptions(args) {
  try {
    return interpret(parseArgs({ args, allowPositionals: true, options: OPTIONS }));
  } catch (error) {
    return { refused: error.message };
  }
}

const OPTIONS = {
  seed: { type: "string", default: "1" },
  subsets: { type: "string", default: "1000" },
  per: { type: "string", default: "run" },
  tears: { type: "string", default: "few" },
  "one-in": { type: "string", default: "1" },
  synchronous: { type: "string", default: "full,normal" },
  "ignore-syncs": { type: "string", default: "" },
  problems: { type: "string", default: "100" },
  jobs: { type: "string", default: `${Math.min(2, availableParallelism())}` },
  folder: { type: "string", default: existsSync("/dev/shm") ? "/dev/shm" : tmpdir() },
  keep: { type: "string" },
  json: { type: "boolean", default: false },
};

function interpret({ values, positionals }) {
  const promises = someOf(values, "synchronous", ["full", "normal", "off"]);
  const names = WORKLOADS.map(({ name }) => name);
  const unknown = positionals.find((name) => !names.includes(name));
  if (unknown !== undefined) throw new Error(`there is no workload "${unknown}", only ${names.join(", ")}`);
  const chosen = WORKLOADS.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
  return {
    json: values.json,
    folder: values.folder,
    jobs: wholeNumber(values, "jobs", 1),
    runs: chosen.flatMap((workload) => levelsOf(workload, promises).map((level) => ({ name: workload.name, level }))),
    trial: {
      seed: wholeNumber(values, "seed"),
      subsets: wholeNumber(values, "subsets"),
      per: oneOf(values, "per", ["run", "interval"]),
      tears: oneOf(values, "tears", ["none", "few", "all"]),
      oneIn: wholeNumber(values, "one-in", 1),
      ignoredSyncs: someOf(values, "ignore-syncs", ["wal", "journal", "database", "folder"]),
      maxProblems: wholeNumber(values, "problems", 1),
      keep: values.keep,
    },
  };
}

function levelsOf({ levels }, promises) {
  const chosen = levels.filter(({ promise }) => promises.includes(promise));
  return promises.includes("off") ? [...chosen, { synchronous: "off", promise: "full" }] : chosen;
}

function wholeNumber(values, name, min = 0) {
  const number = Number(values[name]);
  if (Number.isSafeInteger(number) && number >= min) return number;
  throw new Error(`--${name} must be a whole number from ${min} on, got ${values[name]}`);
}

function oneOf(values, name, allowed) {
  if (allowed.includes(values[name])) return values[name];
  throw new Error(`--${name} must be one of ${allowed.join(", ")}, got ${values[name]}`);
}

function someOf(values, name, allowed) {
  const chosen = values[name].split(",").filter((choice) => choice !== "");
  if (chosen.every((choice) => allowed.includes(choice))) return chosen;
  throw new Error(`--${name} must be some of ${allowed.join(",")}, got ${values[name]}`);
}
