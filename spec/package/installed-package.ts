/**
 * Global setup of the `package` project: packs the tarball and lays it out as an installation with the apps beside it.
 *
 * Dependencies are linked, not installed: compiling better-sqlite3 again would take minutes and show nothing about us.
 */
import { execFileSync } from "node:child_process";
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import type { TestProject } from "vitest/node";

/** Where the specs of the package find what was packed. */
export interface InstalledPackage {
  /** The folder with `node_modules/` and `apps/`. */
  readonly folder: string;
  /** Paths within the tarball, `dist/esm/index.js` for example. */
  readonly files: readonly string[];
  readonly unpackedBytes: number;
}

declare module "vitest" {
  interface ProvidedContext {
    installedPackage: InstalledPackage;
  }
}

interface PackReport {
  readonly filename: string;
  readonly unpackedSize: number;
  readonly files: readonly { readonly path: string }[];
}

export function setup(project: TestProject): () => void {
  const folder = mkdtempSync(join(tmpdir(), "pocketmq-package-"));
  const report = pack(folder);

  const installed = join(folder, "node_modules", "pocketmq");
  mkdirSync(installed, { recursive: true });
  execFileSync("tar", ["-xzf", join(folder, report.filename), "--strip-components=1", "-C", installed]);
  for (const name of [...dependenciesOf(installed), "@types/node", "jest", "vitest"]) linkFromHere(folder, name);

  cpSync("spec/package/apps", join(folder, "apps"), { recursive: true });
  const app = join(folder, "apps", "typescript", "app");
  for (const extension of ["mts", "cts"]) copyFileSync(`${app}.ts`, `${app}.${extension}`);

  const files = report.files.map((file) => file.path);
  project.provide("installedPackage", { folder, files, unpackedBytes: report.unpackedSize });
  return () => rmSync(folder, { recursive: true, force: true });
}

function pack(folder: string): PackReport {
  const output = execFileSync("npm", ["pack", "--ignore-scripts", "--json", "--pack-destination", folder], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  const [report] = Object.values(JSON.parse(output) as readonly PackReport[] | Readonly<Record<string, PackReport>>);
  if (report === undefined) throw new Error(`npm pack reported nothing: ${output}`);
  return report;
}

function dependenciesOf(installed: string): readonly string[] {
  const manifest = JSON.parse(readFileSync(join(installed, "package.json"), "utf8")) as {
    readonly dependencies?: Readonly<Record<string, string>>;
    readonly peerDependencies?: Readonly<Record<string, string>>;
  };
  return Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies });
}

function linkFromHere(folder: string, name: string): void {
  const link = join(folder, "node_modules", name);
  mkdirSync(dirname(link), { recursive: true });
  symlinkSync(resolve("node_modules", name), link, "dir");
}
