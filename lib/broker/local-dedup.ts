import { isMqError } from "../errors.js";
import type { SqliteConnection, SqliteDatabase } from "../store/sqlite.js";
import { toMqError } from "../store/sqlite-error.js";
import type { EventHub } from "./broker-events.js";
import type { ClaimedKey, DedupKey, DedupPort, Effect, KeyClaim, KeyCompletion } from "./dedup-port.js";
import type { Engine } from "./engine.js";

export interface LocalDedupParts {
  readonly engine: Engine;
  readonly connection: SqliteConnection;
  readonly events: EventHub;
  readonly assertOpen: () => void;
}

/** {@link DedupPort} of the broker in this process. */
export class LocalDedup implements DedupPort {
  readonly database: SqliteDatabase;
  readonly #engine: Engine;
  readonly #events: EventHub;
  readonly #assertOpen: () => void;

  constructor({ engine, connection, events, assertOpen }: LocalDedupParts) {
    this.database = connection;
    this.#engine = engine;
    this.#events = events;
    this.#assertOpen = assertOpen;
  }

  run(effect: Effect): void {
    this.#assertOpen();
    this.#engine.effects.run(effect);
  }

  async claim(key: DedupKey, leaseMs: number): Promise<KeyClaim> {
    this.#assertOpen();
    const { dedup } = this.#engine;
    const taken = await this.#engine.write(() => dedup.claim(key, leaseMs));
    if (!dedup.hasRunOut(taken)) return taken;
    // Its process was stopped, or slept: others may have done the key. Once only, as a lease may be shorter than every commit.
    return this.#engine.write(() => dedup.claim(key, leaseMs));
  }

  async complete(claim: ClaimedKey, retainMs: number): Promise<KeyCompletion> {
    this.#assertOpen();
    return this.#engine.write(() => this.#engine.dedup.complete(claim, retainMs));
  }

  /** Whoever releases waits for nothing: where it fails the lease runs out. */
  release(claim: ClaimedKey): void {
    void this.#release(claim).catch((error: unknown) => {
      if (!isMqError(error, "ERR_MQ_CLOSED")) this.#events.error(toMqError(error, "releasing the key of a message"));
    });
  }

  async #release(claim: ClaimedKey): Promise<void> {
    this.#assertOpen();
    await this.#engine.write(() => this.#engine.dedup.release(claim));
  }
}
