import Database from "better-sqlite3";
import { tempFolder } from "../../support/temp-folder.js";

/** Where the processes of a run keep their store. */
export interface Place extends Disposable {
  /** How many processes can share it. */
  readonly processes: 1 | 2;
  /** For the next life of a process. */
  open(): { readonly path: string } | { readonly database: Database.Database };
  /** A process is killed: whatever it still does, the store does not have it. */
  kill(database: Database.Database): void;
  /** What is stored when nobody has it open any more. */
  inspect<T>(look: (database: Database.Database) => T): T;
}

/** In memory: it outlives the broker, which is a guest on it. */
export function memoryPlace(): Place {
  let database = new Database(":memory:");
  return {
    processes: 1,
    open: () => ({ database }),
    kill: () => {
      const killed = database;
      database = new Database(killed.serialize());
      killed.close();
    },
    inspect: (look) => look(database),
    [Symbol.dispose]: () => void database.close(),
  };
}

export function filePlace(): Place {
  const folder = tempFolder();
  const path = folder.file("app.db");
  return {
    processes: 2,
    open: () => ({ path }),
    kill: (database) => void database.close(),
    inspect: (look) => {
      const database = new Database(path);
      try {
        return look(database);
      } finally {
        database.close();
      }
    },
    [Symbol.dispose]: () => folder[Symbol.dispose](),
  };
}
