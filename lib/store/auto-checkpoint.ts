import type { OpenedDatabase } from "./open-database.js";
import type { SqliteConnection } from "./sqlite.js";

/**
 * 4 MiB, SQLite's default. A checkpoint happens inside the commit that reaches the limit and syncs twice: a smaller limit is more of them, but
 * shorter ones. Bare loop of commits on our own tables, medians of three, Node 20, better-sqlite3 12.11.1, 2 cores, ext4, idle disk:
 *
 * | synchronous, messages a commit | 250: messages/s, p99, p99.9 of a commit | 1000: the same |
 * |---|---|---|
 * | normal, 1 | 44.0 k, 0.19 ms, 1.0 ms | 48.8 k, 0.04 ms, 3.0 ms |
 * | normal, 64 | 562 k, 1.5 ms, 1.7 ms | 587 k, 4.7 ms, 5.7 ms |
 * | full, 1 | 8.8 k, 0.44 ms, 0.7 ms | 8.8 k, 0.21 ms, 0.9 ms |
 * | full, 64 | 306 k, 1.1 ms, 1.3 ms | 326 k, 2.5 ms, 3.2 ms |
 *
 * With a disk that others keep busy the whole library sends 1.3 to 1.6 times as much with 1000, alone or 64 at once, as each sync waits in line.
 * So 250 halves the longest stalls of large commits and costs everybody else more.
 */
export const AUTO_CHECKPOINT_PAGES = 1_000;
/**
 * While old messages are deleted: nobody waits for such a commit, but it is in everybody's way. Of 10,000,000 the longest commit took 10 to 15 ms so, and 17 to 20 with 1,000 pages; deleting was 2 to 7 %
 * slower.
 */
const SMALL_STEP_PAGES = 250;

/** When SQLite copies the write-ahead log to a file of ours. */
export class AutoCheckpoint {
  readonly #connection: SqliteConnection;

  private constructor(connection: SqliteConnection) {
    this.#connection = connection;
  }

  /** `undefined` in memory, and where it is somebody else's to say. */
  static of({ connection, owned, realPath }: OpenedDatabase): AutoCheckpoint | undefined {
    return owned && realPath !== undefined ? new AutoCheckpoint(connection) : undefined;
  }

  /** After fewer pages, until `work` has ended. */
  async inSmallSteps(work: () => Promise<void>): Promise<void> {
    this.#set(SMALL_STEP_PAGES);
    try {
      await work();
    } finally {
      if (this.#connection.open) this.#set(AUTO_CHECKPOINT_PAGES);
    }
  }

  #set(pages: number): void {
    this.#connection.pragma(`wal_autocheckpoint = ${pages}`);
  }
}
