/**
 * `node benchmarks/micro/pop-checkpoints.mjs`
 *
 * What is invisible, as one row for each pop with a bit for each message, and as one row for each message: µs of CPU a message, with the commits of the pop and of
 * its acknowledgements and the group's offset. Medians of five; each trial on a file of its own, `synchronous = normal`.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";

const MESSAGES = 128_000;
const TRIALS = 5;
const INVISIBLE_MS = 30_000;

function checkpoints(database, index) {
  database.exec(`
    CREATE TABLE pop (
      pop_key INTEGER PRIMARY KEY, consumer_group TEXT NOT NULL, queue_key INTEGER NOT NULL, start_offset INTEGER NOT NULL,
      pop_time INTEGER NOT NULL, visible_at INTEGER NOT NULL, message_count INTEGER NOT NULL, acknowledged INTEGER NOT NULL, distances TEXT
    ) STRICT;
    CREATE INDEX pop_visible ON pop (visible_at); ${index}`);
  const insert = database.prepare("INSERT INTO pop VALUES (?, 'billing', 1, ?, ?, ?, ?, 0, NULL)");
  const find = database.prepare("SELECT message_count, acknowledged FROM pop WHERE pop_key = ?").raw();
  const update = database.prepare("UPDATE pop SET acknowledged = ? WHERE pop_key = ?");
  const remove = database.prepare("DELETE FROM pop WHERE pop_key = ?");
  return {
    pop: (key, offset, count, now) => insert.run(key, offset, now, now + INVISIBLE_MS, count),
    acknowledge: (key, _offset, indexes) => {
      let [count, acknowledged] = find.get(key);
      for (const index of indexes) acknowledged = (acknowledged | (1 << index)) >>> 0;
      if (acknowledged === 2 ** count - 1) remove.run(key);
      else update.run(acknowledged, key);
    },
  };
}

const LAYOUTS = {
  checkpoints: (database) =>
    checkpoints(database, "CREATE INDEX pop_place ON pop (consumer_group, queue_key, start_offset)"),
  "without the index by place": (database) => checkpoints(database, ""),
  rows: (database) => {
    database.exec(`
      CREATE TABLE pop (
        consumer_group TEXT NOT NULL, queue_key INTEGER NOT NULL, queue_offset INTEGER NOT NULL, pop_time INTEGER NOT NULL,
        visible_at INTEGER NOT NULL, pop_key INTEGER NOT NULL, PRIMARY KEY (consumer_group, queue_key, queue_offset)
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX pop_visible ON pop (visible_at)`);
    const insert = database.prepare("INSERT INTO pop VALUES ('billing', 1, ?, ?, ?, ?)");
    const remove = database.prepare(
      "DELETE FROM pop WHERE consumer_group = 'billing' AND queue_key = 1 AND queue_offset = ? AND pop_key = ?",
    );
    return {
      pop: (key, offset, count, now) => {
        for (let index = 0; index < count; index += 1) insert.run(offset + index, now, now + INVISIBLE_MS, key);
      },
      acknowledge: (key, offset, indexes) => {
        for (const index of indexes) remove.run(offset + index, key);
      },
    };
  },
};

/** @param shape - messages a pop, acknowledgements a commit, pops in flight. */
function trial(make, { count, perCommit, inFlight }) {
  const folder = mkdtempSync(join(tmpdir(), "pop-checkpoints-"));
  const database = new Database(join(folder, "store.db"));
  database.pragma("journal_mode = WAL");
  database.pragma("synchronous = NORMAL");
  database.pragma("wal_autocheckpoint = 250");
  database.exec("CREATE TABLE progress (name TEXT PRIMARY KEY, next_offset INTEGER NOT NULL) STRICT, WITHOUT ROWID");
  const layout = make(database);
  const pass = database.prepare(
    "INSERT INTO progress VALUES ('billing', ?) ON CONFLICT DO UPDATE SET next_offset = excluded.next_offset",
  );
  const [begin, commit] = [database.prepare("BEGIN IMMEDIATE"), database.prepare("COMMIT")];
  const pops = Math.min(8_000, MESSAGES / count / (perCommit < count ? 8 : 1));
  const open = [];
  const before = process.cpuUsage();
  for (let pop = 0; pop < pops; pop += 1) {
    begin.run();
    layout.pop(pop + 1, pop * count, count, 1_700_000_000_000 + pop);
    pass.run((pop + 1) * count);
    commit.run();
    open.push(pop);
    if (open.length < inFlight) continue;
    const done = open.shift();
    for (let from = 0; from < count; from += perCommit) {
      begin.run();
      const indexes = Array.from({ length: perCommit }, (_, index) => from + index);
      layout.acknowledge(done + 1, done * count, indexes);
      commit.run();
    }
  }
  const { user, system } = process.cpuUsage(before);
  database.close();
  rmSync(folder, { recursive: true, force: true });
  return (user + system) / (pops * count);
}

for (const [count, perCommit] of [
  [32, 32],
  [32, 1],
  [1, 1],
])
  for (const inFlight of [1, 32]) {
    const shape = { count, perCommit, inFlight };
    const figures = Object.entries(LAYOUTS).map(([name, make]) => {
      const all = Array.from({ length: TRIALS }, () => trial(make, shape)).sort((a, b) => a - b);
      return `${name} ${all[Math.floor(TRIALS / 2)].toFixed(2)}`;
    });
    process.stdout.write(
      `pops of ${count}, ${perCommit} acknowledged a commit, ${inFlight} in flight: ${figures.join(", ")} µs\n`,
    );
  }
