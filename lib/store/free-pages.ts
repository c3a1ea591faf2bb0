import type { OpenedDatabase } from "./open-database.js";
import { prepare, type SqliteConnection, type SqliteStatement } from "./sqlite.js";

/** Pages of the file in which nothing is stored, and giving them back to the disk. */
export class FreePages {
  readonly #free: SqliteStatement<number>;
  readonly #all: SqliteStatement<number>;
  readonly #giveBackOne: SqliteStatement;
  readonly #checkpoint: SqliteStatement;

  private constructor(connection: SqliteConnection) {
    this.#free = prepare<number>(connection, "PRAGMA freelist_count").pluck();
    this.#all = prepare<number>(connection, "PRAGMA page_count").pluck();
    this.#giveBackOne = prepare(connection, "PRAGMA incremental_vacuum(1)");
    this.#checkpoint = prepare(connection, "PRAGMA wal_checkpoint(PASSIVE)");
  }

  /** `undefined` where none may be given back: in memory, or in a file of somebody else's. */
  static of({ connection, owned, realPath }: OpenedDatabase): FreePages | undefined {
    return owned && realPath !== undefined ? new FreePages(connection) : undefined;
  }

  /** How many there are, and how many pages the file has with them. */
  count(): { readonly free: number; readonly all: number } {
    return { free: this.#free.get() ?? 0, all: this.#all.get() ?? 0 };
  }

  /** Inside a transaction: gives back the last page of the file. What is stored in it is moved to the front, which costs much more than a page that is free. */
  giveBackOne(): void {
    this.#giveBackOne.run();
  }

  /** The file itself gets shorter when the write-ahead log is copied to it. */
  shorten(): void {
    this.#checkpoint.get();
  }
}
