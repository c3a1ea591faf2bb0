/**
 * A copy of the build and of the benchmarks, so that one run measures one build even if somebody builds meanwhile. It lies in
 * `node_modules/.cache`, from where imports find the same packages.
 */
import { cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";

export function takeSnapshot(root) {
  const cache = join(root, "node_modules", ".cache", "pocketmq");
  mkdirSync(cache, { recursive: true });
  const snapshot = mkdtempSync(join(cache, "bench-"));
  for (const name of ["package.json", "dist", "benchmarks"])
    cpSync(join(root, name), join(snapshot, name), { recursive: true });
  return { snapshot, remove: () => rmSync(snapshot, { recursive: true, force: true }) };
}
