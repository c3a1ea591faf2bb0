/** What is done to a layout, and what must come out. All of it is a function of counts, so that every result can be checked. */
import { messagePool, RECORD_BYTES, sequenceOf, stamp } from "./record.mjs";

export const FIRST_TIMESTAMP = 1_700_000_000_000;

/** `commit(k)` of each shape: how many messages, and whether all go to one queue or round robin. */
export const SHAPES = {
  single: { messages: 1, oneQueue: false },
  concurrent64: { messages: 64, oneQueue: false },
  batch100: { messages: 100, oneQueue: true },
  bulk1000: { messages: 1_000, oneQueue: false },
};

/** The state behind a file that was filled round robin with `messages` messages. */
export function countersAfter(messages, queues) {
  const next = Array.from({ length: queues }, (_, queue) => Math.ceil((messages - queue) / queues));
  return { next, logOffset: messages * RECORD_BYTES };
}

/** Writes commits of one shape after another; remembers what it wrote. */
export class Writer {
  constructor(db, layout, queues, sequence) {
    this.pool = messagePool();
    this.layout = layout;
    this.queues = queues;
    this.sequence = sequence;
    this.sum = 0;
    this.commits = 0;
    this.begin = db.prepare("BEGIN IMMEDIATE");
    this.commit = db.prepare("COMMIT");
  }
  #messages({ messages, oneQueue }) {
    const { pool, queues } = this;
    const only = oneQueue ? this.commits % queues : -1;
    const made = new Array(messages);
    for (let i = 0; i < messages; i++) {
      const sequence = this.sequence++;
      this.sum += sequence;
      made[i] = stamp(pool, sequence, oneQueue ? only : sequence % queues);
    }
    return made;
  }
  writeCommit(shape) {
    const messages = this.#messages(shape);
    this.begin.run();
    this.layout.append(messages, FIRST_TIMESTAMP + this.commits++);
    this.commit.run();
  }
  /** The same blocks as `writeCommit` would make, in few transactions: to fill a file quickly. */
  fill(shape, commits) {
    for (let from = 0; from < commits; from += 100) {
      this.begin.run();
      for (let i = from; i < Math.min(from + 100, commits); i++) {
        this.layout.append(this.#messages(shape), FIRST_TIMESTAMP + this.commits++);
      }
      this.commit.run();
    }
  }
}

/** Where message `sequence` of a round-robin fill lies. */
export class FilledStore {
  constructor(messages, queues, commitMessages, grouped) {
    Object.assign(this, { messages, queues, commitMessages, grouped });
  }
  sequence(queue, offset) {
    return offset * this.queues + queue;
  }
  length(queue) {
    return Math.ceil((this.messages - queue) / this.queues);
  }
  logOffset(sequence) {
    const { commitMessages, queues } = this;
    const first = sequence - (sequence % commitMessages);
    if (!this.grouped || commitMessages <= queues) return sequence * RECORD_BYTES;
    const order = new Map();
    for (let i = 0; i < commitMessages; i++) {
      const queue = (first + i) % queues;
      if (!order.has(queue)) order.set(queue, []);
      order.get(queue).push(first + i);
    }
    return (first + [...order.values()].flat().indexOf(sequence)) * RECORD_BYTES;
  }
  /** The lowest offset of the queue stored by commit `commit` or a later one. */
  offsetOfCommit(queue, commit) {
    const offset = Math.ceil((commit * this.commitMessages - queue) / this.queues);
    return Math.min(Math.max(offset, 0), this.length(queue));
  }
}

/** CPU and wall time of `work`, which returns how many units it did. */
export function measure(work) {
  const cpu = process.cpuUsage();
  const start = process.hrtime.bigint();
  const units = work();
  const wall = Number(process.hrtime.bigint() - start) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  return { units, cpuUs: (user + system) / units, wallUs: wall / units };
}

export function check(actual, expected, what) {
  if (actual !== expected) throw new Error(`${what}: expected ${expected}, got ${actual}`);
}

const PAGE = 32;

/** Queue after queue, a page at a time, until `limit` messages are read. */
export function drainQueues(layout, store, limit, method) {
  let read = 0;
  let sum = 0;
  let expected = 0;
  for (let queue = 0; queue < store.queues && read < limit; queue++) {
    const length = store.length(queue);
    for (let offset = 0; offset < length && read < limit; ) {
      const page = layout[method](queue, offset, PAGE);
      for (const message of page) {
        sum += sequenceOf(message.body);
        expected += store.sequence(queue, offset++);
      }
      read += page.length;
    }
  }
  check(sum, expected, `${method}: sum of what was drained`);
  return read;
}

/** A page of each queue in turn, round after round: every queue drained at once. */
export function drainAll(layout, store, limit) {
  const at = new Array(store.queues).fill(0);
  let read = 0;
  let sum = 0;
  let expected = 0;
  for (let queue = 0; read < limit; queue = (queue + 1) % store.queues) {
    const page = layout.readPage(queue, at[queue], PAGE);
    for (const message of page) {
      sum += sequenceOf(message.body);
      expected += store.sequence(queue, at[queue]++);
    }
    read += page.length;
  }
  check(sum, expected, "sum of all queues");
  return read;
}

/** Places spread over the file by a fixed stride that is prime to every size used here. */
export const scattered = (count, messages) =>
  Array.from({ length: count }, (_, i) => (i * 15_485_863 + 7_919) % messages);

export function readByQueue(layout, store, sequences) {
  for (const sequence of sequences) {
    const message = layout.readOne(sequence % store.queues, Math.floor(sequence / store.queues));
    check(sequenceOf(message.body), sequence, "message by queue and offset");
  }
  return sequences.length;
}

export function readByLogOffset(layout, sequences, logOffsets) {
  for (let i = 0; i < sequences.length; i++) {
    check(sequenceOf(layout.readByLogOffset(logOffsets[i]).body), sequences[i], "message by commit log offset");
  }
  return sequences.length;
}

export function searchByTime(layout, store, sequences) {
  for (const sequence of sequences) {
    const queue = sequence % store.queues;
    const commit = Math.floor(sequence / store.commitMessages);
    const found = layout.searchByTime(queue, FIRST_TIMESTAMP + commit, 0, store.length(queue));
    check(found, store.offsetOfCommit(queue, commit), "offset by time");
  }
  return sequences.length;
}
