import { MetaTable } from "../store/meta-table.js";
import { FORMAT_VERSION, migrate, readFormatVersion } from "../store/migrations.js";
import type { OpenedDatabase } from "../store/open-database.js";
import { toMqError } from "../store/sqlite-error.js";
import { storedSoFar } from "../store/stored-so-far.js";
import { Transactions } from "./transactions.js";

/** Before it no messages were deleted, nor was it noted who had subscribed to a topic. */
const FIRST_WITH_RETENTION = 5;

/**
 * Makes or migrates the tables; leaves everything as it was when the store cannot be read by this version. Throws `ERR_MQ_SYSTEM_BUSY` rather than
 * wait for another connection.
 */
export function prepareStore(database: OpenedDatabase, now: number): void {
  const { connection } = database;
  try {
    const transactions = transactionsOn(database);
    if (transactions.readNow(() => readFormatVersion(connection)) === FORMAT_VERSION) return;
    transactions.writeSync(0, "making the tables", () => {
      const from = readFormatVersion(connection);
      migrate(connection, from);
      // No hour is made up for at once: groups that have subscribed and consumed nothing yet are noted when they come.
      if (from > 0 && from < FIRST_WITH_RETENTION) new MetaTable(connection).setLastRetention(now);
    });
  } catch (error) {
    throw toMqError(error, `preparing the store in ${connection.name}`);
  }
}

/** Another number whenever messages have been stored meanwhile; 0 where none ever was. The tables must be there. */
export function readStoredSoFar(database: OpenedDatabase): number {
  const { connection } = database;
  try {
    return transactionsOn(database).readNow(() => storedSoFar(connection));
  } catch (error) {
    throw toMqError(error, `preparing the store in ${connection.name}`);
  }
}

function transactionsOn(database: OpenedDatabase): Transactions {
  const caches = { dropCaches: nothing, foreignCommitSeen: nothing, assertReadable: nothing };
  return new Transactions(database, caches, false);
}

function nothing(): void {
  // Nothing is cached yet.
}
