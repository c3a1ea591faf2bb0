import Database from "better-sqlite3";
import type { Broker, BrokerSettings, MessageView } from "../../lib/index.js";
import { tempFolder } from "./temp-folder.js";
import { openTestBroker, type TestBroker } from "./test-broker.js";
import type { VirtualClock } from "./virtual-clock.js";

/** Ways in which an application and a broker can share a connection. */
export const CONNECTIONS = [
  "attached memory database",
  "attached file with a rollback journal",
  "attached WAL file with safe integers",
  "owned file",
  "owned memory database",
] as const;
export type ConnectionKind = (typeof CONNECTIONS)[number];

/** A broker with topics of one queue, and the connection that the application uses beside it. */
export interface SharedConnection extends AsyncDisposable {
  readonly mq: Broker;
  readonly clock: VirtualClock;
  readonly logged: TestBroker["logged"];
  /** With a table of the application's: `invoice (id)`. */
  readonly database: Database.Database;
}

export async function openShared(
  kind: ConnectionKind,
  settings: Omit<BrokerSettings, "clock"> = {},
): Promise<SharedConnection> {
  const folder = tempFolder();
  const owner = openOwner(kind, folder.file("app.db"));
  const place =
    owner !== undefined ? { database: owner } : kind === "owned file" ? { path: folder.file("app.db") } : {};
  const broker = await openTestBroker({ defaultQueueCount: 1, ...settings, ...place });
  const database = owner ?? (broker.mq.database as Database.Database);
  database.exec("CREATE TABLE invoice (id INTEGER)");
  return {
    mq: broker.mq,
    clock: broker.clock,
    logged: broker.logged,
    database,
    [Symbol.asyncDispose]: async () => {
      if (database.open && database.inTransaction) database.exec("ROLLBACK");
      await broker[Symbol.asyncDispose]();
      owner?.close();
      folder[Symbol.dispose]();
    },
  };
}

/** Offset and text of each message in queue 0 of a topic. */
export async function storedIn(mq: Broker, topic: string): Promise<readonly string[]> {
  return (await browseQueue(mq, topic)).map((message) => `${message.queueOffset} ${message.text()}`);
}

export function browseQueue(mq: Broker, topic: string, queueId: number = 0): Promise<readonly MessageView[]> {
  return mq.admin.browse({ topic, brokerName: "broker-a", queueId }, 0, 1_024);
}

/** Texts of all messages of a topic in the order in which a group of one consumer gets them. */
export async function deliveries(mq: Broker, topic: string): Promise<readonly string[]> {
  const received: string[] = [];
  const consumer = mq.pushConsumer({
    group: "watcher",
    subscriptions: { [topic]: "*" },
    consumeConcurrency: 1,
    listener: (message) => void received.push(message.text()),
  });
  await consumer.start();
  return received;
}

function openOwner(kind: ConnectionKind, path: string): Database.Database | undefined {
  switch (kind) {
    case "attached memory database":
      return new Database(":memory:");
    case "attached file with a rollback journal":
      return new Database(path);
    case "attached WAL file with safe integers": {
      const database = new Database(path);
      database.pragma("journal_mode = WAL");
      return database.defaultSafeIntegers(true);
    }
    default:
      return undefined;
  }
}
