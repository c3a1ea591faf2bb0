import { prepare, type SqliteConnection, type SqliteStatement } from "./sqlite.js";

/** One message queue as one group consumes it. */
export interface GroupQueue {
  readonly group: string;
  readonly topic: string;
  readonly queueId: number;
}

/** From which message queues each broker delivers to each clustering group: one broker a queue and group. */
export class ClaimTable {
  readonly #findOwner: SqliteStatement<number>;
  readonly #listOfEngine: SqliteStatement<[string, string, number]>;
  readonly #insert: SqliteStatement;
  readonly #delete: SqliteStatement;
  readonly #deleteOfEngine: SqliteStatement;

  constructor(connection: SqliteConnection) {
    this.#findOwner = prepare<number>(
      connection,
      "SELECT engine_key FROM mq_claim WHERE consumer_group = ? AND topic = ? AND queue_id = ?",
    ).pluck();
    this.#listOfEngine = prepare<[string, string, number]>(
      connection,
      "SELECT consumer_group, topic, queue_id FROM mq_claim WHERE engine_key = ?",
    ).raw();
    this.#insert = prepare(
      connection,
      "INSERT INTO mq_claim (consumer_group, topic, queue_id, engine_key) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
    );
    this.#delete = prepare(
      connection,
      "DELETE FROM mq_claim WHERE consumer_group = ? AND topic = ? AND queue_id = ? AND engine_key = ?",
    );
    this.#deleteOfEngine = prepare(connection, "DELETE FROM mq_claim WHERE engine_key = ?");
  }

  /** The key of the broker that has the queue. */
  findOwner({ group, topic, queueId }: GroupQueue): number | undefined {
    return this.#findOwner.get(group, topic, queueId);
  }

  listOfEngine(engineKey: number): readonly GroupQueue[] {
    return this.#listOfEngine.all(engineKey).map(([group, topic, queueId]) => ({ group, topic, queueId }));
  }

  /** No effect when somebody has the queue. */
  insert({ group, topic, queueId }: GroupQueue, engineKey: number): void {
    this.#insert.run(group, topic, queueId, engineKey);
  }

  /** No effect when somebody else has the queue. */
  delete({ group, topic, queueId }: GroupQueue, engineKey: number): void {
    this.#delete.run(group, topic, queueId, engineKey);
  }

  deleteOfEngine(engineKey: number): void {
    this.#deleteOfEngine.run(engineKey);
  }
}
