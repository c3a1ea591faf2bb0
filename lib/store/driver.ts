import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { MqError } from "../errors.js";
import type { SqliteConnection } from "./sqlite.js";

/** What `require("better-sqlite3")` gives. */
export type DriverConstructor = new (path: string, options?: DriverOptions) => SqliteConnection;

/** The options of its constructor that we use. */
export interface DriverOptions {
  readonly readonly?: boolean;
  readonly fileMustExist?: boolean;
  readonly timeout?: number;
}

/** The one that works, once that is known. */
let proven: DriverConstructor | undefined;

/**
 * better-sqlite3, loaded on the first call and proven to work in this process.
 *
 * Throws `ERR_MQ_DRIVER` when it is missing, has no binary for this Node, or would crash it.
 */
export async function loadDriver(): Promise<DriverConstructor> {
  const driver = await importDriver();
  if (driver === proven) return driver;
  checkDriverVersion(findDriverVersion(driver), process.versions.node);
  try {
    new driver(":memory:").close();
  } catch (cause) {
    throw new MqError(
      "ERR_MQ_DRIVER",
      "better-sqlite3 has no binary that works with this Node: run npm rebuild better-sqlite3",
      {
        cause,
      },
    );
  }
  proven = driver;
  return driver;
}

/** Refuses what would end the process without a word: on Node 20, the constructor of better-sqlite3 13 is a segmentation fault. */
export function checkDriverVersion(driverVersion: string | undefined, nodeVersion: string): void {
  if (driverVersion === undefined) return;
  if (Number.parseInt(driverVersion, 10) < 13 || Number.parseInt(nodeVersion, 10) >= 22) return;
  throw new MqError(
    "ERR_MQ_DRIVER",
    `better-sqlite3 ${driverVersion} crashes Node ${nodeVersion}: install better-sqlite3@12 or use Node 22 or newer`,
  );
}

async function importDriver(): Promise<DriverConstructor> {
  try {
    const loaded: unknown = await import("better-sqlite3");
    // Compiled to CommonJS, this may be the class itself rather than a namespace.
    return (hasDefault(loaded) ? loaded.default : loaded) as DriverConstructor;
  } catch (cause) {
    const message =
      "better-sqlite3 cannot be loaded: PocketMQ needs it as a peer dependency, run npm install better-sqlite3";
    throw new MqError("ERR_MQ_DRIVER", message, { cause });
  }
}

function hasDefault(loaded: unknown): loaded is { readonly default: unknown } {
  return typeof loaded === "object" && loaded !== null && "default" in loaded;
}

/**
 * The version of exactly this copy, wherever it was loaded from; `undefined` when it is bundled.
 *
 * Its package.json cannot be imported from an ES module of Node 20 without a warning. But all versions refuse an old option before
 * they load their binary, and the stack of that error names the file.
 */
export function findDriverVersion(driver: DriverConstructor): string | undefined {
  const frame = refusalOf(driver).find((path) => /[\\/]lib[\\/]database\.js$/.test(path));
  if (frame === undefined) return undefined;
  const manifestPath = join(dirname(frame), "..", "package.json");
  if (!existsSync(manifestPath)) return undefined;
  const { version }: { readonly version?: unknown } = JSON.parse(readFileSync(manifestPath, "utf8"));
  return typeof version === "string" ? version : undefined;
}

function refusalOf(driver: DriverConstructor): readonly string[] {
  const { prepareStackTrace, stackTraceLimit } = Error;
  Error.stackTraceLimit = 10;
  Error.prepareStackTrace = (_error, frames) => frames.map((frame) => frame.getFileName() ?? "");
  try {
    const removedOption: object = { memory: true };
    new driver(":memory:", removedOption).close();
    return [];
  } catch (refusal) {
    const paths: unknown = (refusal as Error).stack;
    return Array.isArray(paths) ? paths : [];
  } finally {
    Error.prepareStackTrace = prepareStackTrace;
    Error.stackTraceLimit = stackTraceLimit;
  }
}
