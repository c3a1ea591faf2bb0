import { prepare, type SqliteConnection, type SqliteStatement, type SqliteValue } from "./sqlite.js";

/** A key of a group; the number is the group's in this table. */
export interface DedupPlace {
  readonly groupNumber: number;
  readonly key: string;
}

/** What is stored for a key. */
export interface DedupRow {
  /** Who works on it; `undefined`: that is done. */
  readonly owner: number | undefined;
  /** From then on it counts as absent: the end of the lease, or of keeping what is done. */
  readonly expiresAt: number;
}

/** A key as it is stored, in the order of the table. */
export type StoredKey = string | Uint8Array;

/** Before every stored key: texts lie before blobs, and none is empty. */
export const BEFORE_ALL_KEYS: StoredKey = "";

/** The form of PocketMQ's and RocketMQ's message ids, of which half is stored. */
const MESSAGE_ID = /^[0-9A-F]{32}$/;

/** Keys that groups have used, each done or somebody's for a while. */
export class DedupTable {
  readonly #findGroup: SqliteStatement<number>;
  readonly #addGroup: SqliteStatement;
  readonly #listGroups: SqliteStatement<number>;
  readonly #find: SqliteStatement<[number | null, number]>;
  readonly #take: SqliteStatement;
  readonly #complete: SqliteStatement;
  readonly #release: SqliteStatement;
  readonly #listAfter: SqliteStatement<[StoredKey, number]>;
  readonly #deleteExpired: SqliteStatement;

  constructor(connection: SqliteConnection) {
    this.#findGroup = prepare<number>(
      connection,
      "SELECT group_number FROM mq_dedup_group WHERE consumer_group = ?",
    ).pluck();
    this.#addGroup = prepare(connection, "INSERT INTO mq_dedup_group (consumer_group) VALUES (?)");
    this.#listGroups = prepare<number>(
      connection,
      "SELECT group_number FROM mq_dedup_group ORDER BY group_number",
    ).pluck();
    this.#find = prepare<[number | null, number]>(
      connection,
      "SELECT owner, expires_at FROM mq_dedup WHERE group_number = ? AND dedup_key = ?",
    ).raw();
    this.#take = prepare(
      connection,
      `INSERT INTO mq_dedup (group_number, dedup_key, owner, expires_at) VALUES (?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET owner = excluded.owner, expires_at = excluded.expires_at WHERE expires_at <= ?`,
    );
    this.#complete = prepare(
      connection,
      `INSERT INTO mq_dedup (group_number, dedup_key, owner, expires_at) VALUES (?, ?, NULL, ?)
       ON CONFLICT DO UPDATE SET owner = NULL, expires_at = excluded.expires_at WHERE owner = ? OR expires_at <= ?`,
    );
    this.#release = prepare(connection, "DELETE FROM mq_dedup WHERE group_number = ? AND dedup_key = ? AND owner = ?");
    this.#listAfter = prepare<[StoredKey, number]>(
      connection,
      "SELECT dedup_key, expires_at FROM mq_dedup WHERE group_number = ? AND dedup_key > ? ORDER BY dedup_key LIMIT ?",
    ).raw();
    this.#deleteExpired = prepare(
      connection,
      "DELETE FROM mq_dedup WHERE group_number = ? AND dedup_key > ? AND dedup_key <= ? AND expires_at <= ?",
    );
  }

  findGroup(group: string): number | undefined {
    return this.#findGroup.get(group);
  }

  /** The number of a group that has none. */
  addGroup(group: string): number {
    this.#addGroup.run(group);
    return this.#findGroup.get(group) as number;
  }

  listGroups(): readonly number[] {
    return this.#listGroups.all();
  }

  find({ groupNumber, key }: DedupPlace): DedupRow | undefined {
    const row = this.#find.get(groupNumber, toStored(key));
    return row === undefined ? undefined : { owner: row[0] ?? undefined, expiresAt: row[1] };
  }

  /** False when the key is there and has not expired. @param owner - `undefined`: it is done at once. */
  take({ groupNumber, key }: DedupPlace, owner: number | undefined, expiresAt: number, now: number): boolean {
    return this.#take.run(groupNumber, toStored(key), owner ?? null, expiresAt, now).changes > 0;
  }

  /** The key is done; false when it is another's, or done, and has not expired. */
  complete({ groupNumber, key }: DedupPlace, owner: number, expiresAt: number, now: number): boolean {
    return this.#complete.run(groupNumber, toStored(key), expiresAt, owner, now).changes > 0;
  }

  /** No effect on what is not this owner's. */
  release({ groupNumber, key }: DedupPlace, owner: number): void {
    this.#release.run(groupNumber, toStored(key), owner);
  }

  /** Keys of a group, and when each expires. */
  listAfter(groupNumber: number, after: StoredKey, limit: number): readonly (readonly [StoredKey, number])[] {
    return this.#listAfter.all(groupNumber, after, limit);
  }

  /** Those of a group behind `after` up to `last` that have expired. */
  deleteExpired(groupNumber: number, after: StoredKey, last: StoredKey, now: number): void {
    this.#deleteExpired.run(groupNumber, after, last, now);
  }
}

/** A text and a blob are never equal, so that no two keys become one. */
function toStored(key: string): SqliteValue {
  return MESSAGE_ID.test(key) ? Buffer.from(key, "hex") : key;
}
