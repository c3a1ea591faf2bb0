/**
 * graphile-worker on PostgreSQL, with what its page on performance offers: `addJob`, `addJobs`, one worker that runs 500 jobs at a time from a
 * local queue of 2,000, and marks what came to its end together, not later than it must (`completeJobBatchDelay: 0`). No log output.
 *
 * Its retries are not to be configured: the first comes after e seconds, 2.7. Version 0.17 is the newest that runs on Node 20.
 */
import { Logger, makeWorkerUtils, run } from "graphile-worker";
import { BodyRing, bodyOf, numberOf } from "./bodies.mjs";
import { EachOnce } from "./deliveries.mjs";
import { fillInBatches, sendFromLoops } from "./loops.mjs";
import { analyze, connectionString, POOL_SIZE, readRows, schemaOf } from "./postgres-schema.mjs";

const TASK = "bench";
const logger = new Logger(() => () => undefined);

export async function open(path, synchronous, server) {
  const preset = {
    worker: {
      connectionString: connectionString(server, synchronous),
      schema: schemaOf(path),
      maxPoolSize: POOL_SIZE,
      concurrentJobs: 500,
      localQueue: { size: 2_000 },
      completeJobBatchDelay: 0,
      failJobBatchDelay: 0,
      // New jobs are notified; it polls for those that are due again.
      pollInterval: 100,
    },
  };
  const utils = await makeWorkerUtils({ preset, logger });
  await utils.migrate();
  return new GraphileWorker(preset, utils, () => analyze(path, server));
}

class GraphileWorker {
  bodies = new BodyRing();
  #preset;
  #utils;
  #analyze;

  constructor(preset, utils, analyze) {
    this.#preset = preset;
    this.#utils = utils;
    this.#analyze = analyze;
  }

  async single(count, onSent) {
    for (let sent = 0; sent < count; sent += 1) {
      await this.send(this.bodies.next());
      onSent?.();
    }
  }

  concurrent(count, width) {
    return sendFromLoops(count, width, () => this.send(this.bodies.next()));
  }

  async batches(count, size) {
    for (let sent = 0; sent < count; sent += size) await this.#addAll(this.bodies.take(size));
  }

  async fill(count) {
    await fillInBatches(count, bodyOf, (bodies) => this.#addAll(bodies));
    await this.#analyze();
  }

  async #addAll(bodies) {
    const jobs = await this.#utils.addJobs(bodies.map((body) => ({ identifier: TASK, payload: { body } })));
    if (jobs.length !== bodies.length) throw new Error(`${jobs.length} jobs for ${bodies.length} bodies`);
  }

  drain(count) {
    return this.storm(new EachOnce(count));
  }

  /** `stop()` waits for the jobs that were handled to be marked. */
  async storm(deliveries) {
    const runner = await this.#run(({ body }) => {
      if (deliveries.mustFail(numberOf(body))) throw new Error("again");
    });
    await deliveries.all;
    await runner.stop();
    deliveries.verify();
  }

  async consume(onBody) {
    const runner = await this.#run(({ body }) => onBody(body));
    return () => runner.stop();
  }

  send(body) {
    return this.#utils.addJob(TASK, { body });
  }

  #run(onPayload) {
    return run({
      preset: this.#preset,
      logger,
      noHandleSignals: true,
      taskList: { [TASK]: async (payload) => onPayload(payload) },
    });
  }

  createTopic() {
    // A task exists once it is named.
  }

  close() {
    return this.#utils.release();
  }
}

export async function storedBodies(path, server) {
  const rows = await readRows(path, server, "SELECT payload->>'body' FROM SCHEMA._private_jobs");
  return rows.flat();
}

/** It deletes jobs that are done: how many were ever added, less those that are left. None may be in the hands of a worker. */
export async function storedProgress(path, server) {
  const sequence = "pg_get_serial_sequence('SCHEMA._private_jobs', 'id')::regclass";
  const query = `SELECT pg_sequence_last_value(${sequence})::int, count(*)::int, count(locked_at)::int FROM SCHEMA._private_jobs`;
  const [[added, left, locked]] = await readRows(path, server, query);
  if (locked > 0) throw new Error(`${locked} jobs are locked`);
  return added - left;
}
