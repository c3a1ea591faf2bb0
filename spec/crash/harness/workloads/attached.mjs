// As `alone`, on an application's own connection, with its rollback journal.

import Database from "better-sqlite3";
import { openBroker } from "../../../../dist/esm/index.js";
import { alone } from "./alone.mjs";

export const attached = {
  ...alone,
  name: "attached",
  open: ({ path, synchronous, logger }) => {
    const database = new Database(path);
    database.pragma("journal_mode = DELETE");
    database.pragma(`synchronous = ${synchronous}`);
    return openBroker({ database, logger });
  },
  closed: ({ database }) => database.close(),
};
