import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, inject, it } from "vitest";

const { folder, files, unpackedBytes } = inject("installedPackage");
const installed = join(folder, "node_modules", "pocketmq");

/** Every path that package.json points to. */
function pathsIn(value: unknown): readonly string[] {
  if (typeof value === "string") return value.startsWith("./") ? [value.slice(2)] : [];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(pathsIn) : [];
}

describe("the tarball", () => {
  it("has compiled code, its types and four documents, and nothing else", () => {
    const others = files.filter((file) => !/^dist\/(esm|cjs)\/[a-z0-9/-]+\.(js|d\.ts)$/.test(file));

    expect(others.sort()).toEqual(["CHANGELOG.md", "LICENSE", "README.md", "dist/cjs/package.json", "package.json"]);
  });

  it("stays below 2 MiB unpacked", () => {
    expect(unpackedBytes).toBeLessThan(2 * 1_048_576);
  });

  it("has every file that package.json points to", () => {
    const manifest = JSON.parse(readFileSync(join(installed, "package.json"), "utf8")) as Record<string, unknown>;
    const { main, module, types, bin, exports } = manifest;

    const wanted = pathsIn([main, module, types, bin, exports]);

    expect(wanted.length).toBeGreaterThan(7);
    expect(files).toEqual(expect.arrayContaining([...wanted]));
  });

  it("starts its command with the line that finds Node", () => {
    const [firstLine] = readFileSync(join(installed, "dist/cjs/cli/main.js"), "utf8").split("\n");

    expect(firstLine).toBe("#!/usr/bin/env node");
  });

  it("says Apache-2.0 and carries the licence", () => {
    expect(JSON.parse(readFileSync(join(installed, "package.json"), "utf8"))).toMatchObject({ license: "Apache-2.0" });
    expect(readFileSync(join(installed, "LICENSE"), "utf8")).toContain("Version 2.0, January 2004");
  });
});
