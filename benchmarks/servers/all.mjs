/** Which drivers need a server, and which of those servers this machine has. */
import { findPostgres } from "./postgres.mjs";
import { findRedis } from "./redis.mjs";

const SERVER_OF = { bullmq: "redis", "pg-boss": "postgres", "graphile-worker": "postgres" };
const FIND = { redis: findRedis, postgres: findPostgres };

export class Servers {
  #found = new Map();
  #isWanted;

  /** Without `isWanted` it looks for nothing, as on a machine that has no servers. */
  constructor({ isWanted }) {
    this.#isWanted = isWanted;
  }

  /** Why this driver cannot take part here; `undefined` when it can. */
  reasonToSkip(driver) {
    const name = SERVER_OF[driver];
    return name === undefined ? undefined : this.#find(name).missing;
  }

  /** A fresh server with its data in the trial's folder, for a driver that needs one: `{ port, pid, stop }`. */
  async start(driver, trialFolder) {
    const name = SERVER_OF[driver];
    return name === undefined ? undefined : this.#find(name).start(trialFolder);
  }

  /** Of those that were looked for and found. */
  versions() {
    const found = [...this.#found].filter(([, { version }]) => version !== undefined);
    return Object.fromEntries(found.map(([name, { version }]) => [name, version]));
  }

  /** Removes what was laid out beforehand. */
  remove() {
    for (const { remove } of this.#found.values()) remove?.();
  }

  #find(name) {
    const found = this.#found.get(name) ?? (this.#isWanted ? FIND[name]() : { missing: "run with --no-servers" });
    this.#found.set(name, found);
    return found;
  }
}
