import { prepare, type SqliteConnection, type SqliteStatement } from "./sqlite.js";

/** A consumer group's configuration as stored. */
export interface GroupConfig {
  readonly group: string;
  readonly consumeEnable: boolean;
  readonly consumeBroadcastEnable: boolean;
  readonly consumeMessageOrderly: boolean;
  readonly retryQueueNums: number;
  readonly retryMaxTimes: number;
  /** As JSON; `undefined`: RocketMQ's delay levels. */
  readonly retryPolicy: string | undefined;
}

type GroupRow = [string, number, number, number, number, number, string | null];

const COLUMNS =
  "consumer_group, consume_enable, consume_broadcast_enable, consume_message_orderly, retry_queue_nums, retry_max_times, retry_policy";

export class GroupTable {
  readonly #find: SqliteStatement<GroupRow>;
  readonly #list: SqliteStatement<GroupRow>;
  readonly #put: SqliteStatement;

  constructor(connection: SqliteConnection) {
    this.#find = prepare<GroupRow>(connection, `SELECT ${COLUMNS} FROM mq_group WHERE consumer_group = ?`).raw();
    this.#list = prepare<GroupRow>(connection, `SELECT ${COLUMNS} FROM mq_group ORDER BY consumer_group`).raw();
    this.#put = prepare(
      connection,
      `INSERT INTO mq_group (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET consume_enable = excluded.consume_enable, consume_broadcast_enable = excluded.consume_broadcast_enable,
         consume_message_orderly = excluded.consume_message_orderly, retry_queue_nums = excluded.retry_queue_nums,
         retry_max_times = excluded.retry_max_times, retry_policy = excluded.retry_policy`,
    );
  }

  find(group: string): GroupConfig | undefined {
    const row = this.#find.get(group);
    return row === undefined ? undefined : toConfig(row);
  }

  list(): readonly GroupConfig[] {
    return this.#list.all().map(toConfig);
  }

  put(config: GroupConfig): void {
    this.#put.run(
      config.group,
      Number(config.consumeEnable),
      Number(config.consumeBroadcastEnable),
      Number(config.consumeMessageOrderly),
      config.retryQueueNums,
      config.retryMaxTimes,
      config.retryPolicy ?? null,
    );
  }
}

function toConfig([
  group,
  enable,
  broadcast,
  orderly,
  retryQueueNums,
  retryMaxTimes,
  retryPolicy,
]: GroupRow): GroupConfig {
  return {
    group,
    consumeEnable: enable === 1,
    consumeBroadcastEnable: broadcast === 1,
    consumeMessageOrderly: orderly === 1,
    retryQueueNums,
    retryMaxTimes,
    retryPolicy: retryPolicy ?? undefined,
  };
}
