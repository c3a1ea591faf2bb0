import { prepare, type SqliteConnection, type SqliteStatement } from "./sqlite.js";

/** One message of a queue that an orderly group has in hand. */
export interface OrderedMessage {
  readonly queueOffset: number;
  /** How often consuming it failed before. */
  readonly consumedTimes: number;
  isAcknowledged: boolean;
  /** Until when it blocks the queue unless it is acknowledged. */
  visibleAt: number;
  /** That of its newest receipt handle; 0 for one that went to the dead letters. */
  popKey: number;
}

/** What an orderly group was given last of one queue, and has not acknowledged as a whole. */
export interface PopOrder {
  readonly group: string;
  readonly queueKey: number;
  readonly attemptId: string | undefined;
  readonly popTime: number;
  /** Where the pop began to read the queue. */
  readonly startOffset: number;
  /** In the order of their offsets; at least one. */
  readonly messages: readonly OrderedMessage[];
}

type OrderRow = [string, number, string | null, number, number, string];
/** Distance from the start, failures, 1 when acknowledged, when it is visible, key. */
type MessageTuple = readonly [number, number, number, number, number];

const COLUMNS = "consumer_group, queue_key, attempt_id, pop_time, start_offset, messages";

/**
 * Which messages block a queue for an orderly group. One row is read and written as a whole: it has 32 messages at most.
 *
 * Source: RocketMQ, `broker/.../offset/ConsumerOrderInfoManager.java`, `OrderInfo`.
 */
export class PopOrderTable {
  readonly #find: SqliteStatement<OrderRow>;
  readonly #listOfGroup: SqliteStatement<OrderRow>;
  readonly #listPoppedAfter: SqliteStatement<OrderRow>;
  readonly #put: SqliteStatement;
  readonly #delete: SqliteStatement;

  constructor(connection: SqliteConnection) {
    this.#find = prepare<OrderRow>(
      connection,
      `SELECT ${COLUMNS} FROM mq_pop_order WHERE consumer_group = ? AND queue_key = ?`,
    ).raw();
    this.#listOfGroup = prepare<OrderRow>(
      connection,
      `SELECT ${COLUMNS} FROM mq_pop_order WHERE consumer_group = ? ORDER BY queue_key`,
    ).raw();
    this.#listPoppedAfter = prepare<OrderRow>(
      connection,
      `SELECT ${COLUMNS} FROM mq_pop_order WHERE pop_time > ? LIMIT ?`,
    ).raw();
    this.#put = prepare(
      connection,
      `INSERT INTO mq_pop_order (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET attempt_id = excluded.attempt_id, pop_time = excluded.pop_time, start_offset = excluded.start_offset,
         messages = excluded.messages`,
    );
    this.#delete = prepare(connection, "DELETE FROM mq_pop_order WHERE consumer_group = ? AND queue_key = ?");
  }

  find(group: string, queueKey: number): PopOrder | undefined {
    const row = this.#find.get(group, queueKey);
    return row === undefined ? undefined : toOrder(row);
  }

  listOfGroup(group: string): readonly PopOrder[] {
    return this.#listOfGroup.all(group).map(toOrder);
  }

  /** Looks at every row. */
  listPoppedAfter(time: number, limit: number): readonly PopOrder[] {
    return this.#listPoppedAfter.all(time, limit).map(toOrder);
  }

  put({ group, queueKey, attemptId, popTime, startOffset, messages }: PopOrder): void {
    const tuples = messages.map((message): MessageTuple => {
      const { queueOffset, consumedTimes, isAcknowledged, visibleAt, popKey } = message;
      return [queueOffset - startOffset, consumedTimes, Number(isAcknowledged), visibleAt, popKey];
    });
    this.#put.run(group, queueKey, attemptId ?? null, popTime, startOffset, JSON.stringify(tuples));
  }

  delete(group: string, queueKey: number): void {
    this.#delete.run(group, queueKey);
  }
}

function toOrder([group, queueKey, attemptId, popTime, startOffset, text]: OrderRow): PopOrder {
  const messages = (JSON.parse(text) as readonly MessageTuple[]).map(
    ([distance, consumedTimes, acknowledged, visibleAt, popKey]): OrderedMessage => {
      return {
        queueOffset: startOffset + distance,
        consumedTimes,
        isAcknowledged: acknowledged === 1,
        visibleAt,
        popKey,
      };
    },
  );
  return { group, queueKey, attemptId: attemptId ?? undefined, popTime, startOffset, messages };
}
