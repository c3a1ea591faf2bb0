import { prepare, type SqliteConnection, type SqliteStatement } from "./sqlite.js";

/** Records that become visible in one message queue at one time. */
export interface DueBlock {
  /** Blocks of the same time are due in the order of their keys, which is that in which they were stored. */
  readonly dueKey: number;
  readonly dueAt: number;
  readonly topic: string;
  readonly queueId: number;
  readonly messageCount: number;
  /** As in the log: they go there as they are. */
  readonly records: Buffer;
}

type DueRow = [number, number, string, number, number, Buffer];

const COLUMNS = "due_key, due_at, topic, queue_id, message_count, records";

/** Messages that wait for their time. They are in no queue yet, and nothing that cuts off the log touches them. */
export class DueTable {
  readonly #insert: SqliteStatement;
  readonly #delete: SqliteStatement;
  readonly #replace: SqliteStatement;
  readonly #listAt: SqliteStatement<DueRow>;
  readonly #listDue: SqliteStatement<DueRow>;
  readonly #listAfter: SqliteStatement<DueRow>;
  readonly #earliest: SqliteStatement<number>;

  constructor(connection: SqliteConnection) {
    this.#insert = prepare(
      connection,
      "INSERT INTO mq_due (due_at, topic, queue_id, message_count, records) VALUES (?, ?, ?, ?, ?)",
    );
    this.#delete = prepare(connection, "DELETE FROM mq_due WHERE due_key = ?");
    this.#replace = prepare(connection, "UPDATE mq_due SET message_count = ?, records = ? WHERE due_key = ?");
    this.#listAt = prepare<DueRow>(
      connection,
      `SELECT ${COLUMNS} FROM mq_due WHERE due_at = ? AND topic = ? ORDER BY due_key`,
    ).raw();
    this.#listDue = prepare<DueRow>(
      connection,
      `SELECT ${COLUMNS} FROM mq_due WHERE due_at <= ? ORDER BY due_at, due_key LIMIT ?`,
    ).raw();
    this.#listAfter = prepare<DueRow>(
      connection,
      `SELECT ${COLUMNS} FROM mq_due WHERE due_key > ? ORDER BY due_key LIMIT ?`,
    ).raw();
    this.#earliest = prepare<number>(connection, "SELECT due_at FROM mq_due ORDER BY due_at LIMIT 1").pluck();
  }

  insert({ dueAt, topic, queueId, messageCount, records }: Omit<DueBlock, "dueKey">): void {
    this.#insert.run(dueAt, topic, queueId, messageCount, records);
  }

  delete(dueKey: number): void {
    this.#delete.run(dueKey);
  }

  /** The block has these messages from now on. */
  replace(dueKey: number, messageCount: number, records: Buffer): void {
    this.#replace.run(messageCount, records, dueKey);
  }

  /** What is due at exactly this time in this topic; not to be written to meanwhile. */
  *listAt(dueAt: number, topic: string): Iterable<DueBlock> {
    for (const row of this.#listAt.iterate(dueAt, topic)) yield toBlock(row);
  }

  /** What is due by this time, the earliest first: at least one block, and as many as fit. */
  listDue(now: number, maxBlocks: number, maxBytes: number): readonly DueBlock[] {
    const blocks: DueBlock[] = [];
    let bytes = 0;
    for (const row of this.#listDue.iterate(now, maxBlocks)) {
      const block = toBlock(row);
      bytes += block.records.length;
      if (blocks.length > 0 && bytes > maxBytes) break;
      blocks.push(block);
    }
    return blocks;
  }

  /** Whatever its time, in the order in which it was stored. */
  listAfter(dueKey: number, limit: number): readonly DueBlock[] {
    return this.#listAfter.all(dueKey, limit).map(toBlock);
  }

  /** When the next block is due. */
  earliest(): number | undefined {
    return this.#earliest.get();
  }
}

function toBlock([dueKey, dueAt, topic, queueId, messageCount, records]: DueRow): DueBlock {
  return { dueKey, dueAt, topic, queueId, messageCount, records };
}
