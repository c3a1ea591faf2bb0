import Database from "better-sqlite3";
import { openBroker } from "../../../../dist/esm/index.js";
import { GROUP, TOPIC } from "../workload-run.mjs";

/**
 * An application's own connection: rows of its own that commit with messages, messages alone, and a consumer.
 *
 * With a cache of a few pages SQLite writes into the file of a database with a rollback journal before the commit.
 */
function attached(name, journalMode, levels) {
  return {
    name,
    cutsOpening: true,
    levels,
    lives: 2,
    async open({ path, synchronous, seed, clock, logger }) {
      const database = new Database(path);
      database.pragma(`journal_mode = ${journalMode}`);
      database.pragma(`synchronous = ${synchronous}`);
      database.pragma("cache_size = 4");
      database.exec("CREATE TABLE IF NOT EXISTS placed (key TEXT PRIMARY KEY) STRICT");
      try {
        const mq = await openBroker({ database, seed, clock, logger });
        if (synchronous !== "off" && !promises(levels, synchronous).includes(mq.synchronous))
          throw new Error(`${journalMode} with synchronous ${synchronous} says that it is ${mq.synchronous}`);
        const close = async () => {
          await mq.close();
          database.close();
        };
        return { mq, close };
      } catch (error) {
        database.close();
        throw error;
      }
    },
    rows: (database) => database.prepare("SELECT key FROM placed").pluck().all(),
    run: (run) => (run.life === 0 ? placeAndCrash(run) : consumeRest(run)),
  };
}

/** What the broker is to say of itself. */
function promises(levels, synchronous) {
  return levels.filter((level) => level.synchronous === synchronous).map(({ promise }) => promise);
}

/** Ends within a transaction, of which some is in the files already: the next process has to undo it. */
async function placeAndCrash(run) {
  const { mq } = await run.open();
  const producer = mq.producer({ group: "owners" });
  for (const sizes of [[20], [3_000, 40, 6_000], [50, 60]]) placeOrders(run, mq, producer, sizes);
  await run.send(producer, { sizes: [5_000] });
  mq.database.exec("BEGIN IMMEDIATE");
  storeBoth(mq.database, producer, run.begin([6_000, 9_000, 70], true));
}

async function consumeRest(run) {
  const { mq, close } = await run.open();
  const consumer = mq.pushConsumer({
    group: GROUP,
    subscriptions: { [TOPIC]: "*" },
    listener: run.listener(() => (run.random() < 0.3 ? "retry" : "success")),
  });
  await consumer.start();
  await run.clock.advance(200);
  placeOrders(run, mq, mq.producer({ group: "owners" }), [70]);
  await run.clock.advance(200);
  await close();
}

function placeOrders(run, mq, producer, sizes) {
  const begun = run.begin(sizes, true);
  mq.transaction((database) => storeBoth(database, producer, begun));
  run.stored(begun.unit);
}

function storeBoth(database, producer, { messages, rows }) {
  const insert = database.prepare("INSERT INTO placed VALUES (?)");
  for (const [index, message] of messages.entries()) {
    insert.run(rows[index]);
    producer.sendSync(message);
  }
}

export const attachedWal = attached("attached-wal", "wal", [
  { synchronous: "full", promise: "full" },
  { synchronous: "normal", promise: "normal" },
]);

/**
 * With a rollback journal the levels promise less than with a write-ahead log (sqlite.org/pragma.html#pragma_synchronous), and `mq.synchronous` says so. `full` does not sync the folder
 * after the journal is removed, by which SQLite commits: it may be back after a power cut and undo the last transaction. `extra` does; where the
 * journal is cut or overwritten instead, `full` syncs that. `normal` has no place here: the journal's header is synced together with what it counts,
 * and its checksums look at every 200th byte only, so that a page of which the copy is missing may be restored as zeros. Tried, it damages the file.
 */
export const attachedDelete = attached("attached-delete", "delete", [
  { synchronous: "extra", promise: "full" },
  { synchronous: "full", promise: "normal" },
]);

export const attachedTruncate = attached("attached-truncate", "truncate", [{ synchronous: "full", promise: "full" }]);

export const attachedPersist = attached("attached-persist", "persist", [{ synchronous: "full", promise: "full" }]);
