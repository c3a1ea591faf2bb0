import { prepare, type SqliteConnection, type SqliteStatement } from "./sqlite.js";

/** One consumer of a broadcasting group, over restarts. */
export interface BroadcastInstance {
  readonly group: string;
  readonly instanceName: string;
}

/**
 * Progress of broadcasting consumers: for each instance of a group and each message queue the next queue offset to deliver, and when the instance
 * was last there.
 *
 * Source: RocketMQ, `client/.../consumer/store/LocalFileOffsetStore.java`, which keeps a file on the consumer's host for ever.
 */
export class BroadcastOffsetTable {
  readonly #find: SqliteStatement<number>;
  readonly #listOfTopic: SqliteStatement<[string, string]>;
  readonly #put: SqliteStatement;
  readonly #raise: SqliteStatement;
  readonly #touch: SqliteStatement;
  readonly #deleteNotSeenSince: SqliteStatement;
  readonly #deleteOrphans: SqliteStatement;

  constructor(connection: SqliteConnection) {
    this.#find = prepare<number>(
      connection,
      "SELECT next_offset FROM mq_broadcast_offset WHERE consumer_group = ? AND instance_name = ? AND topic = ? AND queue_id = ?",
    ).pluck();
    this.#listOfTopic = prepare<[string, string]>(
      connection,
      `SELECT consumer_group, instance_name FROM mq_broadcast_instance AS instance WHERE EXISTS
         (SELECT 1 FROM mq_broadcast_offset AS progress WHERE progress.consumer_group = instance.consumer_group
            AND progress.instance_name = instance.instance_name AND topic = ?)`,
    ).raw();
    const insert =
      "INSERT INTO mq_broadcast_offset (consumer_group, instance_name, topic, queue_id, next_offset) VALUES (?, ?, ?, ?, ?)";
    this.#put = prepare(connection, `${insert} ON CONFLICT DO UPDATE SET next_offset = excluded.next_offset`);
    this.#raise = prepare(
      connection,
      `${insert} ON CONFLICT DO UPDATE SET next_offset = max(next_offset, excluded.next_offset)`,
    );
    this.#touch = prepare(
      connection,
      `INSERT INTO mq_broadcast_instance (consumer_group, instance_name, last_seen_at) VALUES (?, ?, ?)
       ON CONFLICT DO UPDATE SET last_seen_at = max(last_seen_at, excluded.last_seen_at)`,
    );
    this.#deleteNotSeenSince = prepare(connection, "DELETE FROM mq_broadcast_instance WHERE last_seen_at < ?");
    this.#deleteOrphans = prepare(
      connection,
      `DELETE FROM mq_broadcast_offset WHERE (consumer_group, instance_name) NOT IN
         (SELECT consumer_group, instance_name FROM mq_broadcast_instance)`,
    );
  }

  find({ group, instanceName }: BroadcastInstance, topic: string, queueId: number): number | undefined {
    return this.#find.get(group, instanceName, topic, queueId);
  }

  /** Those that have progress in any queue of the topic. */
  listOfTopic(topic: string): readonly BroadcastInstance[] {
    return this.#listOfTopic.all(topic).map(([group, instanceName]) => ({ group, instanceName }));
  }

  put({ group, instanceName }: BroadcastInstance, topic: string, queueId: number, nextOffset: number): void {
    this.#put.run(group, instanceName, topic, queueId, nextOffset);
  }

  /** Stores it unless a higher one is stored. */
  raise({ group, instanceName }: BroadcastInstance, topic: string, queueId: number, nextOffset: number): void {
    this.#raise.run(group, instanceName, topic, queueId, nextOffset);
  }

  /** The instance is there at this time. */
  touch({ group, instanceName }: BroadcastInstance, now: number): void {
    this.#touch.run(group, instanceName, now);
  }

  /** Forgets the instances that were last there before this time. */
  deleteNotSeenSince(time: number): void {
    if (this.#deleteNotSeenSince.run(time).changes > 0) this.#deleteOrphans.run();
  }
}
