import { prepare, type SqliteConnection, type SqliteStatement } from "./sqlite.js";

/** A topic's configuration as stored. `perm` has RocketMQ's bits: 4 read, 2 write, 1 inherit. */
export interface TopicConfig {
  readonly topic: string;
  readonly readQueueNums: number;
  readonly writeQueueNums: number;
  readonly perm: number;
  readonly order: boolean;
  readonly messageType: string;
}

type TopicRow = [string, number, number, number, number, string];

const COLUMNS = "topic, read_queue_nums, write_queue_nums, perm, ordered, message_type";

export class TopicTable {
  readonly #find: SqliteStatement<TopicRow>;
  readonly #list: SqliteStatement<TopicRow>;
  readonly #put: SqliteStatement;

  constructor(connection: SqliteConnection) {
    this.#find = prepare<TopicRow>(connection, `SELECT ${COLUMNS} FROM mq_topic WHERE topic = ?`).raw();
    this.#list = prepare<TopicRow>(connection, `SELECT ${COLUMNS} FROM mq_topic ORDER BY topic`).raw();
    this.#put = prepare(
      connection,
      `INSERT INTO mq_topic (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET read_queue_nums = excluded.read_queue_nums, write_queue_nums = excluded.write_queue_nums,
         perm = excluded.perm, ordered = excluded.ordered, message_type = excluded.message_type`,
    );
  }

  find(topic: string): TopicConfig | undefined {
    const row = this.#find.get(topic);
    return row === undefined ? undefined : toConfig(row);
  }

  list(): readonly TopicConfig[] {
    return this.#list.all().map(toConfig);
  }

  put(config: TopicConfig): void {
    this.#put.run(
      config.topic,
      config.readQueueNums,
      config.writeQueueNums,
      config.perm,
      Number(config.order),
      config.messageType,
    );
  }
}

function toConfig([topic, readQueueNums, writeQueueNums, perm, ordered, messageType]: TopicRow): TopicConfig {
  return { topic, readQueueNums, writeQueueNums, perm, order: ordered === 1, messageType };
}
