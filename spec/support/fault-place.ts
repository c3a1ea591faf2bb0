import fs, { existsSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import type Database from "better-sqlite3";
import { type Disturbance, disturbDriver, type Faults, openFaultDriver } from "./fault-driver.js";
import { type TempFolder, tempFolder } from "./temp-folder.js";

/**
 * Whose connection it is. `guest`: the owner's, in memory. `guest on a file`: the owner's, on a file that others use too. `file`: the broker's own; then the
 * connections of everybody fail.
 */
export type PlaceName = "guest" | "guest on a file" | "file";

/** Hundreds of files are made, and nobody cuts the power. */
const MEMORY_FOLDER = existsSync("/dev/shm") ? "/dev/shm" : undefined;

/**
 * As on a system that cannot watch files. When a watch tells of a write depends on the machine, and so would the number of calls of the driver.
 *
 * @returns what undoes it.
 */
function withoutWatches(): () => void {
  const { watch } = fs;
  const set = (replacement: typeof fs.watch): void => {
    fs.watch = replacement;
    syncBuiltinESMExports();
  };
  const refuse = (): never => {
    throw new Error("files cannot be watched");
  };
  set(refuse as unknown as typeof fs.watch);
  return () => set(watch);
}

/** Where a broker is opened whose driver is to fail. */
export class FaultPlace implements Disposable {
  readonly faults: Faults;
  /** The owner's connection; `undefined` where the file is the broker's own. */
  readonly guest: Database.Database | undefined;
  readonly #disturbance: Disturbance | undefined;
  readonly #folder: TempFolder | undefined;
  readonly #ends: (() => void)[] = [];

  constructor(name: PlaceName = "guest") {
    this.#folder = name === "guest" ? undefined : tempFolder(MEMORY_FOLDER);
    if (name !== "guest") this.defer(withoutWatches());
    if (name === "file") {
      this.#disturbance = disturbDriver();
      this.faults = this.#disturbance.faults;
      return;
    }
    const driver = openFaultDriver(this.#folder?.file("app.db"));
    this.faults = driver;
    this.guest = driver.database;
    if (name === "guest on a file") this.guest.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF");
  }

  /** Where it is not in memory. */
  get path(): string {
    if (this.#folder === undefined) throw new Error("the trial is in memory");
    return this.#folder.file("app.db");
  }

  get options(): { readonly path: string; readonly synchronous: "normal" } | { readonly database: Database.Database } {
    return this.guest === undefined ? { path: this.path, synchronous: "normal" } : { database: this.guest };
  }

  /** Connections to a file of the broker's own that are open; `undefined`: it is somebody else's. */
  get openConnections(): number | undefined {
    if (this.#disturbance === undefined) return undefined;
    return [...this.#disturbance.connections].filter(({ open }) => open).length;
  }

  /** Runs before the files go. */
  defer(end: () => void): void {
    this.#ends.push(end);
  }

  [Symbol.dispose](): void {
    for (const end of this.#ends) end();
    this.#disturbance?.[Symbol.dispose]();
    this.guest?.close();
    this.#folder?.[Symbol.dispose]();
  }
}
