/** One trial, in a process of its own: `node trial.mjs '<json>'` prints one JSON line. */
import { closeSync, copyFileSync, fsyncSync, openSync, rmSync, statSync } from "node:fs";
import Database from "better-sqlite3";
import { groupsByQueue, isWriteOnly, LAYOUTS } from "./layouts.mjs";
import { RECORD_BYTES, sequenceOf } from "./record.mjs";
import {
  check,
  countersAfter,
  drainAll,
  drainQueues,
  FilledStore,
  measure,
  readByLogOffset,
  readByQueue,
  SHAPES,
  scattered,
  searchByTime,
  Writer,
} from "./workloads.mjs";

const WAL_FRAME_BYTES = 4_096 + 24;
const CUT_STEP_MESSAGES = 1_000;
const VACUUM_STEP_PAGES = 256;

function openStore(path, synchronous) {
  const db = new Database(path);
  db.pragma("page_size = 4096");
  db.pragma("auto_vacuum = INCREMENTAL");
  db.pragma("journal_mode = WAL");
  db.pragma(`synchronous = ${synchronous}`);
  return db;
}

/** A file of its own for this trial, written through to the disk so that its pages do not weigh on the first sync of the trial. */
function freshCopy(from, to) {
  if (from === to) return;
  copyFileSync(from, to);
  const descriptor = openSync(to, "r+");
  fsyncSync(descriptor);
  closeSync(descriptor);
}

function fill({ layout, queues, shape, messages, path }) {
  const { type } = LAYOUTS[layout];
  const db = openStore(path, "off");
  db.exec(type.schema);
  const store = new type(db, countersAfter(0, queues));
  const writer = new Writer(db, store, queues, 0);
  writer.fill(SHAPES[shape], messages / SHAPES[shape].messages);
  store.finish?.();
  check(store.count(), messages, "messages in the filled file");
  db.pragma("wal_checkpoint(TRUNCATE)");
  const trees = db
    .prepare(
      "SELECT name, sum(pgsize) AS bytes FROM dbstat WHERE name LIKE 'mq%' OR name LIKE 'sqlite_auto%' GROUP BY name",
    )
    .all();
  db.close();
  return {
    fileBytes: statSync(path).size / messages,
    trees: Object.fromEntries(trees.map(({ name, bytes }) => [name, bytes / messages])),
  };
}

/**
 * All shapes on one fresh file, each warmed up, in an order that the caller turns from round to round. The `ahead` messages come first,
 * one a block: a layout that defers work then owes as much as it ever will.
 */
function write({ layout, queues, messages, ahead, template, path, synchronous, shapes, commits }) {
  freshCopy(template, path);
  const db = openStore(path, synchronous);
  const counters = countersAfter(messages, queues);
  const store = new LAYOUTS[layout].type(db, counters);
  const writer = new Writer(db, store, queues, messages);
  writer.fill(SHAPES.single, ahead);
  const results = {};
  for (const name of shapes) {
    results[name] = writeShape(db, writer, SHAPES[name], commits[name], path);
  }
  const written = writer.sequence - messages;
  check(store.count(), writer.sequence, "messages in the file");
  let readBack = 0;
  let sum = 0;
  for (const { body } of store.readBack(messages * RECORD_BYTES)) {
    readBack++;
    sum += sequenceOf(body);
  }
  check(readBack, written, "messages read back");
  check(sum, writer.sum, "sum of messages read back");
  db.close();
  return results;
}

function writeShape(db, writer, shape, commits, path) {
  for (let i = 0; i < Math.ceil(commits / 5); i++) writer.writeCommit(shape);
  db.pragma("wal_checkpoint(TRUNCATE)");
  const steps = new Float64Array(commits);
  const { cpuUs, wallUs } = measure(() => {
    for (let i = 0; i < commits; i++) {
      const start = performance.now();
      writer.writeCommit(shape);
      steps[i] = performance.now() - start;
    }
    return commits * shape.messages;
  });
  const walFileBytes = statSync(`${path}-wal`).size;
  steps.sort();
  db.pragma("wal_checkpoint(TRUNCATE)");
  db.pragma("wal_autocheckpoint = 0");
  const walCommits = Math.ceil(commits / 10);
  for (let i = 0; i < walCommits; i++) writer.writeCommit(shape);
  const [{ log }] = db.pragma("wal_checkpoint(PASSIVE)");
  db.pragma("wal_checkpoint(TRUNCATE)");
  db.pragma("wal_autocheckpoint = 1000");
  return {
    cpuUs,
    wallUs,
    walBytes: (log * WAL_FRAME_BYTES) / (walCommits * shape.messages),
    walFileBytes,
    p99CommitMs: steps[Math.floor(commits * 0.99)],
    longestCommitMs: steps[commits - 1],
  };
}

function read({ layout, queues, shape, messages, template, path, reads, cut }) {
  freshCopy(template, path);
  const db = openStore(path, "normal");
  const store = new LAYOUTS[layout].type(db, countersAfter(messages, queues));
  const results = isWriteOnly(layout) ? {} : readAll(store, { layout, queues, shape, messages, reads });
  results.cutNormal = cutFront(db, store, cut);
  db.pragma("synchronous = full");
  results.cutFull = cutFront(db, store, cut);
  db.close();
  return results;
}

function readAll(layoutStore, { layout, queues, shape, messages, reads }) {
  const filled = new FilledStore(messages, queues, SHAPES[shape].messages, groupsByQueue(layout));
  const sequences = scattered(reads.points, messages);
  const logOffsets = sequences.map((sequence) => filled.logOffset(sequence));
  const searches = sequences.slice(0, reads.searches);
  drainQueues(layoutStore, filled, reads.drain / 5, "readPage");
  return {
    pageOneQueue: measure(() => drainQueues(layoutStore, filled, reads.drain, "readPage")),
    blocksOneQueue: measure(() => drainQueues(layoutStore, filled, reads.drain, "readBlocks")),
    pageAllQueues: measure(() => drainAll(layoutStore, filled, reads.drain)),
    pointByQueue: measure(() => readByQueue(layoutStore, filled, sequences)),
    pointByLogOffset: measure(() => readByLogOffset(layoutStore, sequences, logOffsets)),
    searchByTime: measure(() => searchByTime(layoutStore, filled, searches)),
  };
}

/** Deletes `messages` of the oldest in bounded steps, then gives the pages back in bounded steps. */
function cutFront(db, store, messages) {
  const before = store.count();
  const begin = db.prepare("BEGIN IMMEDIATE");
  const commit = db.prepare("COMMIT");
  let deleted = 0;
  let longestStepMs = 0;
  const { cpuUs, wallUs } = measure(() => {
    while (deleted < messages) {
      const start = performance.now();
      begin.run();
      deleted += store.cutStep(Math.min(CUT_STEP_MESSAGES, messages - deleted));
      commit.run();
      longestStepMs = Math.max(longestStepMs, performance.now() - start);
    }
    return deleted;
  });
  check(store.count(), before - deleted, "messages after the cut");
  const vacuum = vacuumFreePages(db, deleted);
  check(store.count(), before - deleted, "messages after the vacuum");
  return { cpuUs, wallUs, longestStepMs, ...vacuum };
}

function vacuumFreePages(db, deleted) {
  let longestVacuumMs = 0;
  const { cpuUs } = measure(() => {
    let free = db.pragma("freelist_count", { simple: true });
    while (free > 0) {
      const start = performance.now();
      db.pragma(`incremental_vacuum(${VACUUM_STEP_PAGES})`);
      longestVacuumMs = Math.max(longestVacuumMs, performance.now() - start);
      const left = db.pragma("freelist_count", { simple: true });
      if (left >= free) break;
      free = left;
    }
    return deleted;
  });
  return { vacuumCpuUs: cpuUs, longestVacuumMs };
}

const parameters = JSON.parse(process.argv[2]);
const result = { fill, write, read }[parameters.mode](parameters);
if (parameters.path !== parameters.template && parameters.mode !== "fill")
  for (const suffix of ["", "-wal", "-shm"]) rmSync(parameters.path + suffix, { force: true });
process.stdout.write(`${JSON.stringify(result)}\n`);
