import { existsSync } from "node:fs";
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

/** Where a broker is opened whose driver is to fail. */
export class FaultPlace implements Disposable {
  readonly faults: Faults;
  /** The owner's connection; `undefined` where the file is the broker's own. */
  readonly guest: Database.Database | undefined;
  readonly #disturbance: Disturbance | undefined;
  readonly #folder: TempFolder | undefined;

  constructor(name: PlaceName = "guest") {
    this.#folder = name === "guest" ? undefined : tempFolder(MEMORY_FOLDER);
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

  [Symbol.dispose](): void {
    this.#disturbance?.[Symbol.dispose]();
    this.guest?.close();
    this.#folder?.[Symbol.dispose]();
  }
}
