/**
 * The part of better-sqlite3 that PocketMQ uses, written out so that no `@types` package is forced on users.
 */

/** What a caller must hand over in attached mode; a better-sqlite3 `Database` and its compatible forks fit. */
export interface SqliteDatabase {
  readonly name: string;
  readonly open: boolean;
  readonly inTransaction: boolean;
  readonly readonly: boolean;
  prepare(source: string): unknown;
  exec(source: string): unknown;
  pragma(source: string, options?: { simple?: boolean }): unknown;
}

/** A value that can be bound to or read from a statement; `bigint` only with safe integers, which we never switch on. */
export type SqliteValue = number | string | null | Uint8Array;

/** A prepared statement; `Row` is what one row looks like after the modes chosen with `pluck` or `raw`. */
export interface SqliteStatement<Row = unknown> {
  run(...values: readonly SqliteValue[]): { readonly changes: number };
  get(...values: readonly SqliteValue[]): Row | undefined;
  all(...values: readonly SqliteValue[]): Row[];
  iterate(...values: readonly SqliteValue[]): IterableIterator<Row>;
  pluck(toggle?: boolean): this;
  raw(toggle?: boolean): this;
  safeIntegers(toggle?: boolean): this;
}

/** The connection as the store uses it. */
export interface SqliteConnection extends SqliteDatabase {
  prepare(source: string): SqliteStatement;
  close(): unknown;
}

/** Prepares with the number mode that our code expects, whatever `defaultSafeIntegers` the owner of the connection chose. */
export function prepare<Row>(connection: SqliteConnection, source: string): SqliteStatement<Row> {
  return connection.prepare(source).safeIntegers(false) as SqliteStatement<Row>;
}
