import { FORMAT_VERSION, migrate, readFormatVersion } from "../store/migrations.js";
import type { OpenedDatabase } from "../store/open-database.js";
import { toMqError } from "../store/sqlite-error.js";
import { Transactions } from "./transactions.js";

/**
 * Makes or migrates the tables; leaves everything as it was when the store cannot be read by this version. Throws `ERR_MQ_SYSTEM_BUSY` rather than
 * wait for another connection.
 */
export function prepareStore(database: OpenedDatabase): void {
  try {
    const transactions = new Transactions(database, {
      dropCaches: nothing,
      foreignCommitSeen: nothing,
      assertReadable: nothing,
    });
    if (transactions.readNow(() => readFormatVersion(database.connection)) === FORMAT_VERSION) return;
    transactions.writeSync(0, "making the tables", () =>
      migrate(database.connection, readFormatVersion(database.connection)),
    );
  } catch (error) {
    throw toMqError(error, `preparing the store in ${database.connection.name}`);
  }
}

function nothing(): void {
  // Nothing is cached yet.
}
