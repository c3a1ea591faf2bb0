/**
 * pg-boss on PostgreSQL: `send`, `insert`, and two loops of `fetch` with `complete` and `fail`, 5,000 jobs at a time – each fetch sorts all that
 * wait, so small ones are slow. `work` would wait half a second between two batches; where nothing is there a loop waits until `send` wakes it,
 * as `notifyWorker` does for a worker, or 10 ms. No scheduler, no maintenance: neither has anything to do here.
 *
 * Version 10 is the newest that runs on Node 20.
 */
import PgBoss from "pg-boss";
import { BodyRing, bodyOf, numberOf } from "./bodies.mjs";
import { EachOnce } from "./deliveries.mjs";
import { fillInBatches, sendFromLoops } from "./loops.mjs";
import { analyze, connectionString, POOL_SIZE, readRows, schemaOf } from "./postgres-schema.mjs";

const QUEUE = "bench";
const BATCH = 5_000;
const LOOPS = 2;
const POLL_MS = 10;

export async function open(path, synchronous, server) {
  const boss = new PgBoss({
    connectionString: connectionString(server, synchronous),
    schema: schemaOf(path),
    max: POOL_SIZE,
    schedule: false,
    supervise: false,
  });
  boss.on("error", raise);
  await boss.start();
  // A job that fails comes again a second later, once.
  await boss.createQueue(QUEUE, { retryLimit: 1, retryDelay: 1 });
  return new Boss(boss, () => analyze(path, server));
}

class Boss {
  bodies = new BodyRing();
  #boss;
  #analyze;
  #wake = () => undefined;

  constructor(boss, analyze) {
    this.#boss = boss;
    this.#analyze = analyze;
  }

  async single(count, onSent) {
    for (let sent = 0; sent < count; sent += 1) {
      await this.#boss.send(QUEUE, { body: this.bodies.next() });
      onSent?.();
    }
  }

  concurrent(count, width) {
    return sendFromLoops(count, width, () => this.#boss.send(QUEUE, { body: this.bodies.next() }));
  }

  async batches(count, size) {
    for (let sent = 0; sent < count; sent += size) await this.#insert(this.bodies.take(size));
  }

  async fill(count) {
    await fillInBatches(count, bodyOf, (bodies) => this.#insert(bodies));
    await this.#analyze();
  }

  /** Returns no ids. */
  async #insert(bodies) {
    await this.#boss.insert(bodies.map((body) => ({ name: QUEUE, data: { body } })));
  }

  drain(count) {
    return this.storm(new EachOnce(count));
  }

  async storm(deliveries) {
    const stop = this.#consume(LOOPS, (body) => deliveries.mustFail(numberOf(body)));
    await deliveries.all;
    await stop();
    deliveries.verify();
  }

  consume(onBody) {
    return this.#consume(1, (body) => onBody(body) === true);
  }

  async send(body) {
    await this.#boss.send(QUEUE, { body });
    this.#wake();
  }

  /** Answers how to stop it. */
  #consume(width, mustFail) {
    let isStopped = false;
    const loop = async () => {
      while (!isStopped) {
        const jobs = await this.#boss.fetch(QUEUE, { batchSize: BATCH });
        if (jobs.length === 0) await this.#untilWoken();
        else await this.#settle(jobs, mustFail);
      }
    };
    const running = Promise.all(Array.from({ length: width }, loop));
    return () => {
      isStopped = true;
      return running;
    };
  }

  async #settle(jobs, mustFail) {
    const failed = [];
    const completed = [];
    for (const { id, data } of jobs) (mustFail(data.body) ? failed : completed).push(id);
    await Promise.all([
      ...(completed.length > 0 ? [this.#boss.complete(QUEUE, completed)] : []),
      ...(failed.length > 0 ? [this.#boss.fail(QUEUE, failed)] : []),
    ]);
  }

  #untilWoken() {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, POLL_MS);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  createTopic() {
    // `open` has created it.
  }

  close() {
    return this.#boss.stop({ graceful: false, wait: true });
  }
}

function raise(error) {
  throw error;
}

export async function storedBodies(path, server) {
  const rows = await readRows(path, server, "SELECT data->>'body' FROM SCHEMA.job WHERE name = 'bench'");
  return rows.flat();
}

/** How many jobs are completed; none may have failed for good or be in the hands of a worker. */
export async function storedProgress(path, server) {
  const query = "SELECT state::text, count(*)::int FROM SCHEMA.job WHERE name = 'bench' GROUP BY state";
  const { completed = 0, active = 0, failed = 0 } = Object.fromEntries(await readRows(path, server, query));
  if (active + failed > 0) throw new Error(`${active} jobs are active and ${failed} have failed`);
  return completed;
}
