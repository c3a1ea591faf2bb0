import { MqError } from "../errors.js";
import { FORMAT_VERSION, migrate, readFormatVersion } from "../store/migrations.js";
import type { OpenedDatabase } from "../store/open-database.js";
import { toMqError } from "../store/sqlite-error.js";
import { systemClock } from "../time/clock.js";
import { holdProcess } from "../time/hold-process.js";
import { Transactions } from "./transactions.js";

/** How long another process may keep the lock, which it does for a migration of its own for example. Real time. */
const LOCK_WAIT_MS = 5_000;
const LOOK_INTERVAL_MS = 10;

/** Makes or migrates the tables; leaves everything as it was when the store cannot be read by this version. */
export async function prepareStore(database: OpenedDatabase): Promise<void> {
  try {
    if (readFormatVersion(database.connection) === FORMAT_VERSION) return;
    const transactions = new Transactions(database, { dropCaches: nothing, foreignCommitSeen: nothing });
    await takeLock(transactions, systemClock.now() + LOCK_WAIT_MS);
    try {
      migrate(database.connection, readFormatVersion(database.connection));
    } catch (error) {
      transactions.rollback();
      throw error;
    }
    transactions.commit(0);
  } catch (error) {
    throw toMqError(error, `preparing the store in ${database.connection.name}`);
  }
}

function nothing(): void {
  // Nothing is cached yet.
}

async function takeLock(transactions: Transactions, deadline: number): Promise<void> {
  const hold = holdProcess();
  try {
    await waitForLock(transactions, deadline);
  } finally {
    hold.release();
  }
}

async function waitForLock(transactions: Transactions, deadline: number): Promise<void> {
  while (transactions.tryBegin(0) !== "begun") {
    if (systemClock.now() > deadline)
      throw new MqError("ERR_MQ_SYSTEM_BUSY", `another writer held the lock for ${LOCK_WAIT_MS} ms`);
    await new Promise<void>((resolve) => systemClock.at(systemClock.now() + LOOK_INTERVAL_MS, resolve));
  }
}
