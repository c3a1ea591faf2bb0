import { spawn, spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** What is built and downloaded lies here, outside of the tree. */
export function cacheFolder(name) {
  const folder = join(root, "node_modules", ".cache", "pocketmq", "conformance", name);
  mkdirSync(folder, { recursive: true });
  return folder;
}

export function sourceFolder(name) {
  return fileURLToPath(new URL(`./${name}/`, import.meta.url));
}

export function hasTool(name) {
  return spawnSync(name, [name === "go" ? "version" : "--version"], { stdio: "ignore" }).error === undefined;
}

/** Ends the process when it takes longer, as a client that waits for ever would hold up everything. */
export async function runProcess(command, options, { timeoutMs = 180_000, ...spawnOptions } = {}) {
  const child = spawn(command, options, { stdio: ["ignore", "pipe", "pipe"], ...spawnOptions });
  let stdout = "";
  let output = "";
  const keep = (text) => {
    output += text;
  };
  child.stdout.setEncoding("utf8").on("data", (text) => {
    stdout += text;
    keep(text);
  });
  child.stderr.setEncoding("utf8").on("data", keep);
  const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
  try {
    const [code, signal] = await new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (...ended) => resolve(ended));
    });
    const error = code === 0 ? undefined : `${command} ended with ${code ?? `${signal}, it has ${timeoutMs} ms`}`;
    return { stdout, output, error };
  } finally {
    clearTimeout(timer);
  }
}

/** For what has to succeed before anything can be tried. */
export async function mustRun(command, options, spawnOptions) {
  const { error, output } = await runProcess(command, options, spawnOptions);
  if (error !== undefined) throw new Error(`${error}\n${output}`);
}

/** The lines `ok⇥SCENARIO⇥MS` and `failed⇥SCENARIO⇥WHY` that each client's program writes, among whatever its client writes. */
export async function runScenarios(command, options, spawnOptions) {
  const { stdout, output, error } = await runProcess(command, options, spawnOptions);
  const reports = [];
  for (const line of stdout.split("\n")) {
    const [verdict, scenario, detail = ""] = line.split("\t");
    if (verdict === "ok" || verdict === "failed") reports.push({ scenario, isOk: verdict === "ok", detail });
  }
  return { reports, output, error };
}
