import { MetaTable } from "../store/meta-table.js";
import { FORMAT_VERSION, migrate, readFormatVersion } from "../store/migrations.js";
import type { OpenedDatabase } from "../store/open-database.js";
import { toMqError } from "../store/sqlite-error.js";
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

/** Returns how many brokers have been counted on this store before; its tables must be there. */
export function countBroker(database: OpenedDatabase): number {
  const { connection } = database;
  try {
    const count = (): number => new MetaTable(connection).nextEngineKey() - 1;
    return transactionsOn(database).writeSync(0, "counting the brokers of the store", count);
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
