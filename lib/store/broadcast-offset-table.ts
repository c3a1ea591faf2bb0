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
  readonly #instanceAfter: SqliteStatement<[string, string]>;
  readonly #put: SqliteStatement;
  readonly #raise: SqliteStatement;
  readonly #touch: SqliteStatement;
  readonly #seenBefore: SqliteStatement<number>;
  readonly #listNotSeenSince: SqliteStatement<[string, string]>;
  readonly #deleteInstance: SqliteStatement;
  readonly #deleteOffsets: SqliteStatement;

  constructor(connection: SqliteConnection) {
    this.#find = prepare<number>(
      connection,
      "SELECT next_offset FROM mq_broadcast_offset WHERE consumer_group = ? AND instance_name = ? AND topic = ? AND queue_id = ?",
    ).pluck();
    this.#instanceAfter = prepare<[string, string]>(
      connection,
      `SELECT consumer_group, instance_name FROM mq_broadcast_offset WHERE topic = ? AND (consumer_group, instance_name) > (?, ?)
       ORDER BY consumer_group, instance_name LIMIT 1`,
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
    this.#seenBefore = prepare<number>(
      connection,
      "SELECT last_seen_at FROM mq_broadcast_instance WHERE last_seen_at < ? LIMIT 1",
    ).pluck();
    this.#listNotSeenSince = prepare<[string, string]>(
      connection,
      `SELECT consumer_group, instance_name FROM mq_broadcast_instance AS gone WHERE last_seen_at < ? AND NOT EXISTS (
         SELECT 1 FROM mq_member AS present
         WHERE present.consumer_group = gone.consumer_group AND present.instance_name = gone.instance_name) LIMIT ?`,
    ).raw();
    const ofInstance = "WHERE consumer_group = ? AND instance_name = ?";
    this.#deleteInstance = prepare(connection, `DELETE FROM mq_broadcast_instance ${ofInstance}`);
    this.#deleteOffsets = prepare(connection, `DELETE FROM mq_broadcast_offset ${ofInstance}`);
  }

  find({ group, instanceName }: BroadcastInstance, topic: string, queueId: number): number | undefined {
    return this.#find.get(group, instanceName, topic, queueId);
  }

  /** Those that have progress in any queue of the topic, however many queues it has. */
  listOfTopic(topic: string): readonly BroadcastInstance[] {
    const instances: BroadcastInstance[] = [];
    const next = (group: string, name: string): [string, string] | undefined =>
      this.#instanceAfter.get(topic, group, name);
    for (let found = next("", ""); found !== undefined; found = next(...found)) {
      const [group, instanceName] = found;
      instances.push({ group, instanceName });
    }
    return instances;
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

  /** Whether some instance said last before this time that it is there. */
  hasNotSeenSince(time: number): boolean {
    return this.#seenBefore.get(time) !== undefined;
  }

  /** Forgets instances that are no members, and were last there before this time, at most so many. @returns how many. */
  deleteNotSeenSince(time: number, limit: number): number {
    const gone = this.#listNotSeenSince.all(time, limit);
    for (const instance of gone) {
      this.#deleteOffsets.run(...instance);
      this.#deleteInstance.run(...instance);
    }
    return gone.length;
  }
}
