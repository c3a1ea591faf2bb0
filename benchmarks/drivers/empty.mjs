/** Loads better-sqlite3, opens a file, and does nothing: what a process takes before there is a queue. */
import Database from "better-sqlite3";

let done = 0;

export function open(path, synchronous) {
  const database = new Database(path);
  database.pragma("journal_mode = WAL");
  database.pragma(`synchronous = ${synchronous}`);
  return {
    fill: (count) => {
      done = count;
    },
    drain: () => undefined,
    close: () => database.close(),
  };
}

export function storedProgress() {
  return done;
}
