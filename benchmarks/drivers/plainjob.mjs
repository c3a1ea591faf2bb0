/**
 * plainjob on better-sqlite3, as fast as its documentation allows: `add`, `addMany` and one worker, no log output, bodies stored as they are
 * instead of as JSON. It sets WAL and `synchronous = NORMAL` itself; for `full` we raise that, as it would otherwise promise less.
 */
import Database from "better-sqlite3";
import { better, defineQueue, defineWorker } from "plainjob";
import { BodyRing, bodyOf, numberOf, OnceEach } from "./bodies.mjs";

const TYPE = "bench";
const DONE = 2;
const PENDING = 0;
const ignore = () => undefined;
const logger = { error: console.error, warn: console.error, info: ignore, debug: ignore };

export function open(path, synchronous) {
  const database = new Database(path);
  const queue = defineQueue({ connection: better(database), logger, serializer: (body) => body });
  database.pragma(`synchronous = ${synchronous}`);
  return new PlainJob(queue);
}

class PlainJob {
  bodies = new BodyRing();
  #queue;

  constructor(queue) {
    this.#queue = queue;
  }

  single(count, onSent) {
    for (let sent = 0; sent < count; sent += 1) {
      this.#queue.add(TYPE, this.bodies.next());
      onSent?.();
    }
  }

  /** `add` is synchronous and commits: calls cannot share a commit. The loop has its turn after each `width` of them. */
  async concurrent(count, width) {
    for (let sent = 0; sent < count; sent += width) {
      for (let caller = 0; caller < width; caller += 1) this.#queue.add(TYPE, this.bodies.next());
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  batches(count, size) {
    for (let sent = 0; sent < count; sent += size) {
      const { ids } = this.#queue.addMany(TYPE, this.bodies.take(size));
      if (ids.length !== size) throw new Error(`${ids.length} ids for ${size} jobs`);
    }
  }

  fill(count) {
    for (let next = 0; next < count; next += 1_000) {
      const size = Math.min(1_000, count - next);
      this.#queue.addMany(
        TYPE,
        Array.from({ length: size }, (_, index) => bodyOf(next + index)),
      );
    }
  }

  /** Resolves when `count` jobs were processed and are marked as done. */
  async drain(count) {
    let worker;
    const once = new OnceEach(count, () => {
      // The job that is being processed is still marked as done; no further one is taken.
      worker.stop().catch(raise);
    });
    worker = defineWorker(TYPE, async (job) => once.see(numberOf(job.data)), { queue: this.#queue, logger });
    await worker.start();
    once.verify();
  }

  /** Its worker polls: as often as a timer can. */
  consume(onBody) {
    const worker = defineWorker(TYPE, async (job) => onBody(job.data), {
      queue: this.#queue,
      logger,
      pollIntervall: 1,
    });
    const running = worker.start();
    return async () => {
      await worker.stop();
      await running;
    };
  }

  async send(body) {
    this.#queue.add(TYPE, body);
  }

  createTopic() {
    // Nothing to create.
  }

  close() {
    this.#queue.close();
  }
}

function raise(error) {
  throw error;
}

export function* storedBodies(path) {
  const database = new Database(path, { readonly: true });
  yield* database.prepare("SELECT data FROM plainjob_jobs ORDER BY id").pluck().iterate();
  database.close();
}

export function storedProgress(path) {
  const database = new Database(path, { readonly: true });
  const count = database.prepare("SELECT count(*) FROM plainjob_jobs WHERE status = ?").pluck();
  const done = count.get(DONE);
  const total = count.get(PENDING) + done;
  const all = database.prepare("SELECT count(*) FROM plainjob_jobs").pluck().get();
  database.close();
  if (total !== all) throw new Error(`${all - total} jobs are neither pending nor done`);
  return done;
}
