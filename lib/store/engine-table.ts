import { prepare, type SqliteConnection, type SqliteStatement } from "./sqlite.js";

/** Where a broker runs, so that others can find out whether it is gone. */
export interface ProcessIdentity {
  /** Within which `processId` names one process at a time. */
  readonly space: string;
  readonly processId: number;
  /** Of the thread, where the system tells it, else 0. */
  readonly threadId: number;
  /** When the thread began, in the system's own words; empty where it does not say. */
  readonly started: string;
}

/** A broker on this store that has consumers. */
export interface EngineRow extends ProcessIdentity {
  readonly engineKey: number;
  /** Chosen by the engine at random, by which it knows its own row: a key that it was given in a transaction that was undone is somebody else's perhaps. */
  readonly token: number;
  /** How long it may be silent before it counts as gone. */
  readonly leaseMs: number;
  /** Grows while it is there. */
  readonly beats: number;
}

type Row = [number, string, number, number, string, number, number, number];

const COLUMNS = "engine_key, process_space, process_id, thread_id, started, token, lease_ms, beats";

/** The brokers that take part in groups, each with its sign of life. */
export class EngineTable {
  readonly #find: SqliteStatement<Row>;
  readonly #list: SqliteStatement<Row>;
  readonly #insert: SqliteStatement;
  readonly #beat: SqliteStatement;
  readonly #delete: SqliteStatement;

  constructor(connection: SqliteConnection) {
    this.#find = prepare<Row>(connection, `SELECT ${COLUMNS} FROM mq_engine WHERE engine_key = ?`).raw();
    this.#list = prepare<Row>(connection, `SELECT ${COLUMNS} FROM mq_engine ORDER BY engine_key`).raw();
    this.#insert = prepare(connection, `INSERT INTO mq_engine (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, 0)`);
    this.#beat = prepare(connection, "UPDATE mq_engine SET beats = beats + 1 WHERE engine_key = ?");
    this.#delete = prepare(connection, "DELETE FROM mq_engine WHERE engine_key = ?");
  }

  find(engineKey: number): EngineRow | undefined {
    const row = this.#find.get(engineKey);
    return row === undefined ? undefined : toEngine(row);
  }

  list(): readonly EngineRow[] {
    return this.#list.all().map(toEngine);
  }

  insert(engine: Omit<EngineRow, "beats">): void {
    const { engineKey, space, processId, threadId, started, token, leaseMs } = engine;
    this.#insert.run(engineKey, space, processId, threadId, started, token, leaseMs);
  }

  beat(engineKey: number): void {
    this.#beat.run(engineKey);
  }

  delete(engineKey: number): void {
    this.#delete.run(engineKey);
  }
}

function toEngine([engineKey, space, processId, threadId, started, token, leaseMs, beats]: Row): EngineRow {
  return { engineKey, space, processId, threadId, started, token, leaseMs, beats };
}
