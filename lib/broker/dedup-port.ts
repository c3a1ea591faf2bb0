import type { MessageQueue } from "../message/message-queue.js";
import type { BroadcastInstance } from "../store/broadcast-offset-table.js";
import type { SqliteDatabase } from "../store/sqlite.js";

/** Which key of which consumer group. */
export interface DedupKey {
  readonly group: string;
  /** 1 to 255 bytes of UTF-8. */
  readonly key: string;
}

/** A message queue of a consumer, as far as its progress goes. */
export interface EffectQueue {
  readonly messageQueue: MessageQueue;
  /**
   * The offset that is to be stored once these of its messages are acknowledged besides; `undefined` where there is none, or it is no other than what is
   * known. Changes nothing.
   */
  commitOffsetWith(places: ReadonlySet<object>): number | undefined;
}

/** What a message does to the database, and who is told how that ends: exactly one of {@link Effect.stored} and {@link Effect.failed} is called, once, and not within the call of {@link DedupPort.run}. */
export interface Effect extends DedupKey {
  /** For how long the key counts as done. */
  readonly retainMs: number;
  /** The message, which is acknowledged with it: its place in its queue. Absent: it is not. */
  readonly acknowledged: AcknowledgedPlace | undefined;
  /** Makes the effect, within a transaction that is open; called again where SQLite rolled that back and another one is tried. What it throws undoes it. */
  run(): void;
  /** It is durable; also where it was before, and did not run again. */
  stored(): void;
  /** Nothing of it is stored, unless the error says that its outcome is unknown. */
  failed(error: unknown): void;
}

export interface AcknowledgedPlace {
  /** The same object for all messages of the queue. */
  readonly queue: EffectQueue;
  readonly place: object;
  /** Whose progress it is, in a broadcasting group. */
  readonly instance: BroadcastInstance | undefined;
}

/** A key that is somebody's, until it is done or its lease runs out. */
export interface ClaimedKey extends DedupKey {
  readonly owner: number;
  /** From then on others may take it. */
  readonly leasedUntil: number;
}

/**
 * - `claimed`: it is the caller's.
 * - `done`: it was completed before.
 * - `busy`: somebody works on it, whose lease has not run out.
 */
export type KeyClaim =
  | { readonly status: "claimed"; readonly claim: ClaimedKey }
  | { readonly status: "done" }
  | { readonly status: "busy" };

/** `done`: somebody else completed the key meanwhile, as the lease had run out; `lost`: somebody else works on it. */
export type KeyCompletion = "completed" | "done" | "lost";

/** What has the same effect once only, by keys of consumer groups; for listeners in the broker's own process. */
export interface DedupPort {
  /** The connection in which effects are made. */
  readonly database: SqliteDatabase;
  /**
   * Makes the effect unless its key is done. Effects of one turn share a transaction with each other's keys and acknowledgements, and each has a savepoint of
   * its own. Fails with `ERR_MQ_SYSTEM_BUSY` for a key that somebody works on and while another writer keeps the store locked for 3 s, and as
   * `BrokerPort.append` does.
   */
  run(effect: Effect): void;
  /** Resolves once it is durable; where the lease ran out by then, with what became of the key. */
  claim(key: DedupKey, leaseMs: number): Promise<KeyClaim>;
  /** Resolves once it is durable. */
  complete(claim: ClaimedKey, retainMs: number): Promise<KeyCompletion>;
  /** It is nobody's again, with the next group commit. No effect on a key that is somebody else's by now. */
  release(claim: ClaimedKey): void;
}
