/** The floor: a bare better-sqlite3 loop that appends (time, body) rows. WAL, 4 KiB pages, the driver's defaults otherwise. */
import Database from "better-sqlite3";
import { BodyRing } from "./bodies.mjs";

export const isBareLoop = true;

export function open(path, synchronous) {
  const database = new Database(path);
  database.pragma("journal_mode = WAL");
  database.pragma(`synchronous = ${synchronous}`);
  database.exec("CREATE TABLE log (id INTEGER PRIMARY KEY, time INTEGER NOT NULL, body TEXT NOT NULL) STRICT");
  return new Append(database);
}

class Append {
  bodies = new BodyRing();
  #database;
  #begin;
  #insert;
  #commit;

  constructor(database) {
    this.#database = database;
    this.#begin = database.prepare("BEGIN IMMEDIATE");
    this.#insert = database.prepare("INSERT INTO log (time, body) VALUES (?, ?)");
    this.#commit = database.prepare("COMMIT");
  }

  single(count, onSent) {
    for (let sent = 0; sent < count; sent += 1) {
      this.#insert.run(Date.now(), this.bodies.next());
      onSent?.();
    }
  }

  concurrent(count, width) {
    this.batches(count, width);
  }

  batches(count, size) {
    for (let sent = 0; sent < count; sent += size) {
      const now = Date.now();
      this.#begin.run();
      for (let row = 0; row < size; row += 1) this.#insert.run(now, this.bodies.next());
      this.#commit.run();
    }
  }

  close() {
    this.#database.close();
  }
}

export function* storedBodies(path) {
  const database = new Database(path, { readonly: true });
  yield* database.prepare("SELECT body FROM log ORDER BY id").pluck().iterate();
  database.close();
}
