import type { ClaimedKey, DedupKey, DedupPort, Effect, KeyClaim, KeyCompletion } from "../broker/broker-port.js";
import type { MqError } from "../errors.js";
import type { SqliteDatabase } from "../store/sqlite.js";

export interface ClientDedupParts {
  readonly dedup: DedupPort;
  /** Nothing passes between the client and the broker. */
  readonly isLost: () => boolean;
  /** The next acknowledgement of the group is to be lost. */
  readonly losesAck: (group: string) => boolean;
  readonly timedOut: () => MqError;
  readonly failLater: (effect: Effect, error: MqError) => void;
}

/** One consumer's way to the keys of its broker, on which things can go wrong. */
export class ClientDedup implements DedupPort {
  readonly #parts: ClientDedupParts;

  constructor(parts: ClientDedupParts) {
    this.#parts = parts;
  }

  get database(): SqliteDatabase {
    return this.#parts.dedup.database;
  }

  /** An acknowledgement that is lost is that of the message, which is lost again when its listener has ended: that one counts. */
  run(effect: Effect): void {
    const { dedup, isLost, losesAck, timedOut, failLater } = this.#parts;
    if (isLost()) failLater(effect, timedOut());
    else dedup.run(losesAck(effect.group) ? withoutAck(effect) : effect);
  }

  async claim(key: DedupKey, leaseMs: number): Promise<KeyClaim> {
    this.#assertPasses();
    return this.#parts.dedup.claim(key, leaseMs);
  }

  async complete(claim: ClaimedKey, retainMs: number): Promise<KeyCompletion> {
    this.#assertPasses();
    return this.#parts.dedup.complete(claim, retainMs);
  }

  release(claim: ClaimedKey): void {
    if (!this.#parts.isLost()) this.#parts.dedup.release(claim);
  }

  #assertPasses(): void {
    if (this.#parts.isLost()) throw this.#parts.timedOut();
  }
}

function withoutAck(effect: Effect): Effect {
  const { group, key, retainMs } = effect;
  return {
    ...{ group, key, retainMs, acknowledged: undefined },
    run: () => effect.run(),
    stored: () => effect.stored(),
    failed: (error) => effect.failed(error),
  };
}
