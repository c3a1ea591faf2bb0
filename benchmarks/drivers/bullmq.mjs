/**
 * BullMQ on Redis: `add`, `addBulk` and one worker with `concurrency`. The durability is Redis': `appendfsync always` for `full`, `everysec` for
 * `normal`. Bodies are stored as JSON strings, completed jobs are kept (its default), and the connection is ioredis' with its defaults.
 */
import { basename } from "node:path";
import { Queue, Worker } from "bullmq";
import { Redis } from "ioredis";
import { BodyRing, bodyOf, numberOf } from "./bodies.mjs";
import { EachOnce } from "./deliveries.mjs";
import { fillInBatches, sendFromLoops } from "./loops.mjs";

const JOB = "bench";
/** 25 and 100 were slower, 400 by far. */
const CONCURRENCY = 50;
const APPENDFSYNC = { full: "always", normal: "everysec", off: "no" };
const PAGE = 10_000;

const queueNameOf = (path) => basename(path, ".db");
const connectionTo = ({ port }) => ({ host: "127.0.0.1", port, maxRetriesPerRequest: null });

export async function open(path, synchronous, server) {
  const connection = connectionTo(server);
  const queue = new Queue(queueNameOf(path), { connection });
  const redis = new Redis(connection);
  await redis.config("SET", "appendfsync", APPENDFSYNC[synchronous]);
  await redis.quit();
  await queue.waitUntilReady();
  return new BullMq(queue, connection);
}

class BullMq {
  bodies = new BodyRing();
  #queue;
  #connection;

  constructor(queue, connection) {
    this.#queue = queue;
    this.#connection = connection;
  }

  async single(count, onSent) {
    for (let sent = 0; sent < count; sent += 1) {
      await this.#queue.add(JOB, this.bodies.next());
      onSent?.();
    }
  }

  concurrent(count, width) {
    return sendFromLoops(count, width, () => this.#queue.add(JOB, this.bodies.next()));
  }

  async batches(count, size) {
    for (let sent = 0; sent < count; sent += size) await this.#addAll(this.bodies.take(size));
  }

  /** A job that fails comes again a second later, once. */
  fill(count) {
    return fillInBatches(count, bodyOf, (bodies) =>
      this.#addAll(bodies, { attempts: 2, backoff: { type: "fixed", delay: 1_000 } }),
    );
  }

  async #addAll(bodies, opts) {
    const jobs = await this.#queue.addBulk(bodies.map((data) => ({ name: JOB, data, opts })));
    if (jobs.length !== bodies.length) throw new Error(`${jobs.length} jobs for ${bodies.length} bodies`);
  }

  drain(count) {
    return this.storm(new EachOnce(count));
  }

  /** `close()` waits until the jobs that were handled are marked. */
  async storm(deliveries) {
    const worker = this.#work(async ({ data }) => {
      if (deliveries.mustFail(numberOf(data))) throw new Error("again");
    });
    await deliveries.all;
    await worker.close();
    deliveries.verify();
  }

  async consume(onBody) {
    const worker = this.#work(async ({ data }) => onBody(data));
    await worker.waitUntilReady();
    return () => worker.close();
  }

  send(body) {
    return this.#queue.add(JOB, body);
  }

  #work(processor) {
    const worker = new Worker(this.#queue.name, processor, { connection: this.#connection, concurrency: CONCURRENCY });
    return worker.on("error", raise);
  }

  createTopic() {
    // A queue exists once it is named.
  }

  close() {
    return this.#queue.close();
  }
}

function raise(error) {
  throw error;
}

/** Every body that waits. */
export async function storedBodies(path, server) {
  const queue = new Queue(queueNameOf(path), { connection: connectionTo(server) });
  const bodies = [];
  const waiting = await queue.getWaitingCount();
  for (let from = 0; from < waiting; from += PAGE) {
    const jobs = await queue.getWaiting(from, from + PAGE - 1);
    for (const { data } of jobs) bodies.push(data);
  }
  await queue.close();
  return bodies;
}

/** How many jobs are completed; none may have failed for good or be in the hands of a worker. */
export async function storedProgress(path, server) {
  const queue = new Queue(queueNameOf(path), { connection: connectionTo(server) });
  const { completed, active, failed } = await queue.getJobCounts("completed", "active", "failed");
  await queue.close();
  if (active + failed > 0) throw new Error(`${active} jobs are active and ${failed} have failed`);
  return completed;
}
