import { prepare, type SqliteConnection, type SqliteStatement } from "./sqlite.js";

/** How a member gets its messages: it shares queues and pulls them (`push`, `pull`), or takes single messages out of any queue (`pop`). */
export type ConsumeType = "push" | "pull" | "pop";

/** A consumer as all brokers on the store know it. */
export interface MemberRow {
  readonly group: string;
  readonly clientId: string;
  /** Of its broker. */
  readonly engineKey: number;
  /** Higher than that of all who registered before. */
  readonly registration: number;
  readonly messageModel: "clustering" | "broadcasting";
  readonly consumeType: ConsumeType;
  /** Under which a broadcasting member keeps its progress. */
  readonly instanceName: string | undefined;
  /** Topic and tag expression. */
  readonly subscriptions: ReadonlyMap<string, string>;
  /** Nobody in its group may subscribe otherwise. */
  readonly isStrict: boolean;
}

type Row = [string, string, number, number, string, string, string | null, string, number];

const COLUMNS =
  "consumer_group, client_id, engine_key, registration, message_model, consume_type, instance_name, subscriptions, strict";

/** Who takes part in which consumer group, in all brokers on the store. */
export class MemberTable {
  readonly #listOfGroup: SqliteStatement<Row>;
  readonly #listOfEngine: SqliteStatement<Row>;
  readonly #put: SqliteStatement;
  readonly #delete: SqliteStatement;
  readonly #deleteOfEngine: SqliteStatement;

  constructor(connection: SqliteConnection) {
    this.#listOfGroup = prepare<Row>(
      connection,
      `SELECT ${COLUMNS} FROM mq_member WHERE consumer_group = ? ORDER BY client_id`,
    ).raw();
    this.#listOfEngine = prepare<Row>(connection, `SELECT ${COLUMNS} FROM mq_member WHERE engine_key = ?`).raw();
    this.#put = prepare(
      connection,
      `INSERT INTO mq_member (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET engine_key = excluded.engine_key, registration = excluded.registration, message_model = excluded.message_model,
         consume_type = excluded.consume_type, instance_name = excluded.instance_name, subscriptions = excluded.subscriptions,
         strict = excluded.strict`,
    );
    this.#delete = prepare(
      connection,
      "DELETE FROM mq_member WHERE consumer_group = ? AND client_id = ? AND engine_key = ?",
    );
    this.#deleteOfEngine = prepare(connection, "DELETE FROM mq_member WHERE engine_key = ?");
  }

  listOfGroup(group: string): readonly MemberRow[] {
    return this.#listOfGroup.all(group).map(toMember);
  }

  listOfEngine(engineKey: number): readonly MemberRow[] {
    return this.#listOfEngine.all(engineKey).map(toMember);
  }

  put(member: MemberRow): void {
    const { group, clientId, engineKey, registration, messageModel, consumeType, subscriptions, isStrict } = member;
    const [instanceName, table] = [member.instanceName ?? null, JSON.stringify([...subscriptions])];
    const strict = isStrict ? 1 : 0;
    this.#put.run(group, clientId, engineKey, registration, messageModel, consumeType, instanceName, table, strict);
  }

  /** No effect when it is another broker's now. */
  delete(group: string, clientId: string, engineKey: number): void {
    this.#delete.run(group, clientId, engineKey);
  }

  deleteOfEngine(engineKey: number): void {
    this.#deleteOfEngine.run(engineKey);
  }
}

function toMember([
  group,
  clientId,
  engineKey,
  registration,
  messageModel,
  consumeType,
  instanceName,
  subscriptions,
  strict,
]: Row): MemberRow {
  return {
    group,
    clientId,
    engineKey,
    registration,
    messageModel: messageModel === "broadcasting" ? "broadcasting" : "clustering",
    consumeType: consumeType === "pop" || consumeType === "pull" ? consumeType : "push",
    instanceName: instanceName ?? undefined,
    subscriptions: toSubscriptions(subscriptions),
    isStrict: strict === 1,
  };
}

/** What somebody else has written there must not stop the group: he subscribes to nothing then. */
function toSubscriptions(text: string): ReadonlyMap<string, string> {
  try {
    const pairs: unknown = JSON.parse(text);
    return Array.isArray(pairs) ? new Map(pairs.filter(isPair)) : new Map();
  } catch {
    return new Map();
  }
}

function isPair(value: unknown): value is [string, string] {
  return Array.isArray(value) && value.length === 2 && value.every((part) => typeof part === "string");
}
