/** An application's own connection, on which it stores orders with their lines, and a message for each: by the outbox of PocketMQ, and by hand in a table of its own. */
import Database from "better-sqlite3";
import { openBroker } from "../../dist/esm/index.js";
import { BodyRing } from "./bodies.mjs";
import { TOPIC } from "./pocketmq.mjs";

const LINES = 5;
/** A turn of the event loop passes after so many transactions. */
const A_TURN = 64;

export async function openOutbox(path, synchronous) {
  const database = openDatabase(path, synchronous);
  const broker = await openBroker({ database });
  const producer = broker.producer({ group: "bench-producer" });
  return new Shop(
    database,
    (store, body) => broker.transaction(() => store(() => producer.sendSync({ topic: TOPIC, body }))),
    () => broker.close(),
  );
}

export function openByHand(path, synchronous) {
  const database = openDatabase(path, synchronous);
  database.exec(
    "CREATE TABLE outbox (id INTEGER PRIMARY KEY, topic TEXT NOT NULL, time INTEGER NOT NULL, body TEXT NOT NULL) STRICT",
  );
  const insert = database.prepare("INSERT INTO outbox (topic, time, body) VALUES (?, ?, ?)");
  const inTransaction = database.transaction((work) => work()).immediate;
  return new Shop(
    database,
    (store, body) => inTransaction(() => store(() => insert.run(TOPIC, Date.now(), body))),
    () => undefined,
  );
}

function openDatabase(path, synchronous) {
  const database = new Database(path);
  database.pragma("journal_mode = WAL");
  database.pragma(`synchronous = ${synchronous}`);
  database.exec(`
    CREATE TABLE purchase (id INTEGER PRIMARY KEY, customer TEXT NOT NULL, total REAL NOT NULL) STRICT;
    CREATE TABLE line (id INTEGER PRIMARY KEY, purchase_id INTEGER NOT NULL, article TEXT NOT NULL, price REAL NOT NULL) STRICT`);
  return database;
}

class Shop {
  bodies = new BodyRing();
  #database;
  #transact;
  #closeBroker;
  #order;
  #line;

  constructor(database, transact, closeBroker) {
    this.#database = database;
    this.#transact = transact;
    this.#closeBroker = closeBroker;
    this.#order = database.prepare("INSERT INTO purchase (customer, total) VALUES (?, ?)");
    this.#line = database.prepare("INSERT INTO line (purchase_id, article, price) VALUES (?, ?, ?)");
  }

  async sell(count) {
    for (let sold = 0; sold < count; sold += 1) {
      this.#transact((tell) => {
        const { lastInsertRowid } = this.#order.run("a customer", 49.9);
        for (let line = 0; line < LINES; line += 1) this.#line.run(lastInsertRowid, "an article", 9.98);
        tell();
      }, this.bodies.next());
      if (sold % A_TURN === A_TURN - 1) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** @returns how many orders are stored, and how many of their lines. */
  async close() {
    await this.#closeBroker();
    const counts = ["purchase", "line"].map((name) =>
      this.#database.prepare(`SELECT count(*) FROM ${name}`).pluck().get(),
    );
    this.#database.close();
    if (counts[1] !== counts[0] * LINES) throw new Error(`${counts[0]} orders have ${counts[1]} lines`);
    return counts[0];
  }
}
