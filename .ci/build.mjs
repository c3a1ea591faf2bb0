// Compiles lib/ to dist/cjs, and to declarations in dist/esm. `--when-stale`: only when a source has changed since the last build.
//
// There is one copy of the code for both module systems: dist/esm/index.js takes its names from dist/cjs. So an application that mixes them has one
// library, and it starts a third faster: Node loads 85 small CommonJS modules in 18 ms, the same as ES modules in 30 ms.
// Specs and commands that start processes run what is in dist/, so every way to them passes here.

import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const dist = join(root, "dist");
const stampFile = join(root, "node_modules", ".cache", "pocketmq", "build-stamp");
const configs = ["tsconfig.json", "tsconfig.build-esm.json", "tsconfig.build-cjs.json"];
/** Folders of lib/ that users import: the front door, and the published sub-paths. */
const entryPoints = ["", "testing/", "wire/"];

function sourceStamp() {
  const hash = createHash("sha256");
  const sources = readdirSync(join(root, "lib"), { recursive: true })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => join("lib", name));
  for (const name of [...sources.sort(), ...configs, join(".ci", "build.mjs")]) {
    hash
      .update(`${name}\0`)
      .update(readFileSync(join(root, name)))
      .update("\0");
  }
  return hash.digest("hex");
}

function isFresh() {
  const built = ["esm", "cjs"].every((format) =>
    entryPoints.every((folder) => existsSync(join(dist, format, folder, "index.js"))),
  );
  return built && existsSync(stampFile) && readFileSync(stampFile, "utf8") === sourceStamp();
}

/** Resolves with whether the types were right; the JavaScript is written either way. */
function compile(config, outDir) {
  const tsc = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin", "tsc");
  const child = spawn(process.execPath, [tsc, "-p", join(root, config), "--outDir", outDir], { stdio: "inherit" });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => resolve(code === 0));
  });
}

/** The ES module that gives every name of the CommonJS one. @param folder - where both lie, "" or one with a slash at its end. */
function entryPoint(dist, folder) {
  const names = Object.keys(createRequire(import.meta.url)(join(dist, "cjs", folder, "index.js"))).sort();
  const path = `${folder === "" ? "../" : "../../"}cjs/${folder}index.js`;
  return `import pocketmq from "${path}";\n\nexport const { ${names.join(", ")} } = pocketmq;\n`;
}

/** Users reach 270 of 470 KB of declarations; the others would only be downloaded. */
function removeUnreachedDeclarations(folder) {
  const reached = new Set();
  const reach = (file) => {
    if (reached.has(file) || !existsSync(file)) return;
    reached.add(file);
    const imports = readFileSync(file, "utf8").matchAll(/(?:from |import\()"(\.[^"]+)\.js"/g);
    for (const [, path] of imports) reach(join(dirname(file), `${path}.d.ts`));
  };
  for (const entryPoint of entryPoints) reach(join(folder, entryPoint, "index.d.ts"));
  for (const name of readdirSync(folder, { recursive: true })) {
    const file = join(folder, name);
    if (name.endsWith(".d.ts") && !reached.has(file)) rmSync(file);
  }
}

/** Builds beside dist/ and swaps at the end, so that processes started from dist/ never meet half a build. */
export async function build() {
  const stamp = sourceStamp();
  const next = join(root, `dist.${process.pid}`);
  const last = join(root, `dist.${process.pid}.old`);
  try {
    const right = await Promise.all([
      compile("tsconfig.build-esm.json", join(next, "esm")),
      compile("tsconfig.build-cjs.json", join(next, "cjs")),
    ]);
    for (const format of ["esm", "cjs"]) mkdirSync(join(next, format), { recursive: true });
    writeFileSync(join(next, "cjs", "package.json"), '{"type":"commonjs"}\n');
    for (const folder of entryPoints) writeFileSync(join(next, "esm", folder, "index.js"), entryPoint(next, folder));
    for (const format of ["esm", "cjs"]) removeUnreachedDeclarations(join(next, format));
    if (existsSync(dist)) renameSync(dist, last);
    renameSync(next, dist);
    mkdirSync(dirname(stampFile), { recursive: true });
    const isRight = right.every(Boolean);
    writeFileSync(stampFile, isRight ? stamp : "");
    return isRight;
  } finally {
    rmSync(next, { recursive: true, force: true });
    rmSync(last, { recursive: true, force: true });
  }
}

/** Vitest's global setup. Like Vitest itself it runs code whose types are wrong: `npm run types` is what refuses that. */
export async function setup() {
  if (!isFresh()) await build();
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const whenStale = process.argv.includes("--when-stale");
  if (!(whenStale && isFresh()) && !(await build())) process.exitCode = 1;
}
