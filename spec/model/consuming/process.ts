import type Database from "better-sqlite3";
import { type Broker, type EmbeddedProducer, type Logger, openBroker } from "../../../lib/index.js";
import type { GroupModel } from "./group-model.js";
import type { Machine, ProcessClock } from "./machine.js";
import type { Place } from "./places.js";
import { ProcessTrust } from "./process-trust.js";

/** Of the topic at first. */
export const QUEUES = 3;

/** A process with a broker, from its start to its end. */
export class Process {
  readonly mq: Broker;
  readonly producer: EmbeddedProducer;
  readonly trust: ProcessTrust;
  /** Unlike that of every other. */
  readonly life: number;
  /** What it logged as an error. */
  readonly errors: readonly string[];
  readonly #clock: ProcessClock;
  readonly #place: Place;

  static async start(place: Place, machine: Machine, life: number): Promise<Process> {
    const errors: string[] = [];
    const ignore = (): void => undefined;
    const logger: Logger = { debug: ignore, info: ignore, warn: ignore, error: (text) => void errors.push(text) };
    const clock = machine.createClock();
    const where = place.open();
    const settings = { clock, logger, seed: life, defaultQueueCount: QUEUES };
    const mq = await ("path" in where
      ? openBroker({ ...settings, path: where.path, synchronous: "off" })
      : openBroker({ ...settings, database: where.database }));
    return new Process(mq, life, errors, clock, place, new ProcessTrust(machine, place.processes === 1));
  }

  private constructor(
    mq: Broker,
    life: number,
    errors: readonly string[],
    clock: ProcessClock,
    place: Place,
    trust: ProcessTrust,
  ) {
    this.mq = mq;
    this.life = life;
    this.errors = errors;
    this.#clock = clock;
    this.#place = place;
    this.trust = trust;
    this.producer = mq.producer({ group: "shop" });
  }

  get pendingTimers(): number {
    return this.#clock.pendingTimers;
  }

  get database(): Database.Database {
    return this.mq.database as Database.Database;
  }

  stall(): void {
    this.trust.stalled();
    this.#clock.stall();
  }

  resume(): void {
    this.trust.resumed();
    this.#clock.resume();
  }

  select(sql: string): readonly unknown[][] {
    return this.database.prepare(sql).raw().all() as unknown[][];
  }

  /** The progress of each queue, by group. */
  readProgress(): readonly {
    readonly group: string;
    readonly topic: string;
    readonly queueId: number;
    readonly nextOffset: number;
  }[] {
    const rows = this.select("SELECT consumer_group, topic, queue_id, next_offset FROM mq_consume_offset");
    return (rows as [string, string, number, number][]).map(([group, topic, queueId, nextOffset]) => ({
      group,
      topic,
      queueId,
      nextOffset,
    }));
  }

  /** What of a group is stored now. */
  tellProgress(model: GroupModel): void {
    for (const { group, topic, queueId, nextOffset } of this.readProgress())
      if (group === model.group) model.progressed(`${topic} ${queueId}`, nextOffset);
  }

  /** Nothing of what it does from now on is seen by anybody; what it holds in this real process is let go. */
  async kill(): Promise<void> {
    this.trust.isEnding = true;
    this.trust.isGone = true;
    this.#place.kill(this.database);
    this.#clock.resume();
    await this.mq.close({ graceMs: 0 }).catch(() => undefined);
  }
}
