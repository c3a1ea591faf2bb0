import { writeSync } from "node:fs";
import Database from "better-sqlite3";

const database = new Database(process.argv[2]);
database.pragma("journal_mode = WAL");
database.pragma(`synchronous = ${process.argv[3]}`);
database.exec(
  "CREATE TABLE IF NOT EXISTS log (id INTEGER PRIMARY KEY, time INTEGER NOT NULL, body TEXT NOT NULL) STRICT",
);
database.prepare("INSERT INTO log (time, body) VALUES (?, ?)").run(Date.now(), "first");
writeSync(1, "!");
database.close();
