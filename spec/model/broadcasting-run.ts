import { expect } from "vitest";
import {
  type BatchConsumeContext,
  type Broker,
  type ConsumeFromWhere,
  type ConsumeResult,
  type EmbeddedProducer,
  isMqError,
  type Logger,
  type MessageView,
  openBroker,
  type PushConsumer,
} from "../../lib/index.js";
import type { SqliteStatement } from "../../lib/store/sqlite.js";
import { type Chance, seededChance } from "../../lib/time/chance.js";
import { copyAsKilled } from "../support/killed-copy.js";
import { type TempFolder, tempFolder } from "../support/temp-folder.js";
import { findProblems } from "../support/test-broker.js";
import { VirtualClock } from "../support/virtual-clock.js";
import { BroadcastingOracle, type HeardMessage, type StoredProgress } from "./broadcasting-oracle.js";

const [TOPIC, QUEUES, TIMEOUT_MS, HOUR, DAY] = ["orders", 3, 60_000, 3_600_000, 24 * 3_600_000] as const;
/** A member that unsubscribes does so for all of its group: the pulls of the others are refused meanwhile. */
const PULL_AGAIN_MS = 1_000;
/** `BB` has the hash of `Aa`. */
const TAGS = ["a", "b", "Aa", "BB"] as const;
const FILTERS: Readonly<Record<string, Filter>> = { news: undefined, alerts: new Set(["a", "Aa"]) };
/** Of each group; `undefined` is DEFAULT. */
const NAMES = [undefined, "b", "c", "d"] as const;

export interface BroadcastingOptions {
  readonly seed: number;
  readonly steps: number;
}

/** What happened, to see that the run meant something. */
export interface BroadcastingOutcome {
  /** Messages that instances heard, each once for each of them. */
  readonly heard: number;
  readonly repeats: number;
  readonly failed: number;
  readonly timedOut: number;
  readonly ignoredResults: number;
  readonly joins: number;
  readonly refusedJoins: number;
  readonly forgotten: number;
}

/** What a call of a listener is about: the queue of each message, and the message. */
type Heard = readonly (readonly [queueId: number, message: HeardMessage])[];

type Filter = ReadonlySet<string> | undefined;

/** A consumer from its start to its end. */
interface Life {
  readonly key: string;
  readonly where: ConsumeFromWhere;
  readonly filter: Filter;
  readonly consumer: PushConsumer;
  /** Whoever calls its listener does so in vain: the process was killed. */
  isDead: boolean;
  isSubscribed: boolean;
}

interface RunningListener {
  readonly life: Life;
  settle(isSuccess: boolean): void;
}

/**
 * Instances of two broadcasting groups come and go at random, the broker is restarted and killed, messages are sent, heard, failed on and left hanging, and
 * time passes. Fails on the first broken rule.
 */
export async function runBroadcasting({ seed, steps }: BroadcastingOptions): Promise<BroadcastingOutcome> {
  using folder = tempFolder();
  const run = new BroadcastingRun(folder, seededChance(seed));
  await run.open();
  await run.createTopic();
  for (let step = 1; step <= steps; step += 1) {
    run.send();
    await run.changeSomething();
    await run.letSomethingHappen();
    if (step % 16 === 0) await run.restart();
    if (step % 40 === 0) await run.beOnHoliday();
    if (step % 25 === 0) await run.drain();
    if (step === Math.floor(steps / 2)) await run.grow();
  }
  await run.end();
  return run.outcome;
}

class BroadcastingRun {
  readonly #folder: TempFolder;
  readonly #chance: Chance;
  readonly #clock = new VirtualClock();
  readonly #oracle = new BroadcastingOracle(QUEUES);
  readonly #lives = new Map<string, Life>();
  readonly #changing = new Set<Promise<void>>();
  readonly #running = new Set<RunningListener>();
  readonly #errors: string[] = [];
  #mq!: Broker;
  #producer!: EmbeddedProducer;
  readonly #sends: Promise<unknown>[] = [];
  #files = 0;
  #isDraining = false;
  readonly #outcome = { failed: 0, timedOut: 0, joins: 0, refusedJoins: 0 };

  constructor(folder: TempFolder, chance: Chance) {
    this.#folder = folder;
    this.#chance = chance;
  }

  get outcome(): BroadcastingOutcome {
    const { heard, repeats, ignoredResults, forgotten } = this.#oracle;
    return { ...this.#outcome, heard, repeats, ignoredResults, forgotten };
  }

  async open(): Promise<void> {
    const ignore = (): void => undefined;
    const logger: Logger = { debug: ignore, info: ignore, warn: ignore, error: (text) => this.#errors.push(text) };
    const path = this.#folder.file(`${this.#files}.db`);
    this.#mq = await openBroker({
      path,
      logger,
      clock: this.#clock,
      seed: this.#files,
      synchronous: "off",
      defaultQueueCount: QUEUES,
      // Months pass.
      retention: { fileReservedTimeHours: 1_000_000 },
    });
    this.#producer = this.#mq.producer({ group: "senders" });
  }

  async createTopic(): Promise<void> {
    await this.#mq.admin.createTopic(TOPIC);
  }

  /** One by one or in a batch, and not waited for. */
  send(): void {
    const [queue, isBatch] = [this.#chance.nextInt(this.#oracle.queueCount), this.#oneIn(2)];
    const messages = Array.from({ length: this.#chance.nextInt(6) }, () => {
      const tag = TAGS[this.#chance.nextInt(TAGS.length)] as string;
      return { topic: TOPIC, tag, body: tag };
    });
    if (messages.length === 0) return;
    for (const { tag } of messages) this.#oracle.sent(queue, tag, this.#clock.now());
    const sends = isBatch
      ? [this.#producer.sendBatch(messages, { queue })]
      : messages.map(async (message) => [await this.#producer.send(message, { queue })]);
    for (const send of sends)
      this.#sends.push(
        send.then((receipts) => {
          for (const { queueOffset } of receipts) this.#oracle.stored(queue, queueOffset);
        }),
      );
  }

  async changeSomething(): Promise<void> {
    const lives = [...this.#lives.values()];
    const life = lives[this.#chance.nextInt(Math.max(1, lives.length))];
    const isJoin = life === undefined || this.#oneIn(3);
    if (isJoin) await this.#join();
    else if (this.#oneIn(3)) await this.#leave(life);
    else this.#disturb(life);
  }

  /** Some listeners end, the loop turns a little or until it is quiet, and perhaps time passes. */
  async letSomethingHappen(): Promise<void> {
    for (const listener of [...this.#running]) if (this.#oneIn(3)) listener.settle(!this.#oneIn(4));
    for (let turns = this.#chance.nextInt(4); turns >= 0; turns -= 1) await this.#turn();
    if (this.#oneIn(3)) await this.#clock.settle();
    if (this.#oneIn(3)) await this.#clock.advance(60);
    if (this.#oneIn(8)) await this.#pass(this.#chance.nextInt(2) * TIMEOUT_MS + this.#chance.nextInt(20) * HOUR);
    this.#check();
  }

  /** Of the broker, on one file: in an orderly way, in haste, or it is killed. */
  async restart(): Promise<void> {
    await Promise.all([...this.#sends.splice(0), ...this.#changing]);
    const way = this.#chance.nextInt(3);
    if (way === 0) await this.#kill();
    else await this.#close(way === 1);
    await this.open();
    this.#check();
  }

  /** For days nothing happens but that the broker looks after who is there. */
  async beOnHoliday(): Promise<void> {
    const days = 5 + this.#chance.nextInt(35);
    const isSomebodyThere = this.#lives.size > 0;
    for (let day = 0; day < days; day += 1) {
      await this.#pass(DAY);
      this.#check();
    }
    if (isSomebodyThere) this.#oracle.checkForgotten(this.#clock.now());
  }

  async grow(): Promise<void> {
    await Promise.all(this.#changing);
    const queues = this.#oracle.queueCount + 1;
    await this.#mq.admin.updateTopic(TOPIC, { readQueueNums: queues, writeQueueNums: queues });
    this.#oracle.grows(this.#clock.now());
  }

  /** Those that are there hear everything that there is to hear. */
  async drain(): Promise<void> {
    this.#isDraining = true;
    for (const life of this.#lives.values()) {
      if (!life.isSubscribed) this.#subscribe(life);
      life.consumer.resume();
    }
    await Promise.all([...this.#sends.splice(0), ...this.#changing]);
    for (let last = ""; ; ) {
      for (const listener of [...this.#running]) listener.settle(true);
      await this.#pass(PULL_AGAIN_MS);
      const pending = [...this.#oracle.pending()].join("\n");
      if (pending === last && this.#running.size === 0) break;
      last = pending;
    }
    this.#isDraining = false;
    expect([...this.#oracle.pending()]).toEqual([]);
    await this.#clock.advance(60);
    this.#check();
  }

  /** Everybody who is known comes back and hears the rest. */
  async end(): Promise<void> {
    await this.drain();
    for (const key of this.#oracle.known) {
      const [group = "", name] = key.split("/");
      if (!this.#lives.has(key)) await this.#start(group, name === "DEFAULT" ? undefined : name);
      this.#check();
    }
    await this.drain();
    const { database } = this.#mq;
    const ids = [...this.#lives.values()].map(({ key }) => key);
    for (const key of ids) await this.#leaveInPeace(this.#lives.get(key) as Life);
    this.#oracle.checkEnd(this.#progress());
    expect(findProblems(database)).toEqual([]);
    await this.#close(false);
    this.#check();
  }

  async #join(): Promise<void> {
    const groups = Object.keys(FILTERS);
    const group = groups[this.#chance.nextInt(groups.length)] as string;
    const name = NAMES[this.#chance.nextInt(NAMES.length)];
    if (!this.#lives.has(keyOf(group, name))) {
      const starting = this.#start(group, name);
      // Those who are away for long are forgotten when somebody starts: this is seen before the next one does.
      if (!this.#oneIn(4) || this.#oracle.isSomebodyLongAway(this.#clock.now())) await starting;
      return;
    }
    const listener = (): never => {
      throw new Error("it never started");
    };
    const consumer = this.#mq.pushConsumer({ group, instanceName: name, messageModel: "broadcasting", listener });
    await expect(consumer.start()).rejects.toMatchObject({ code: "ERR_MQ_ALREADY_CREATED" });
    await consumer.close();
    this.#outcome.refusedJoins += 1;
  }

  #start(group: string, name: string | undefined): Promise<void> {
    const [filter, where] = [FILTERS[group], this.#anyStart()];
    const batchSize = 1 + this.#chance.nextInt(3);
    const life: Life = {
      key: keyOf(group, name),
      where,
      filter,
      isDead: false,
      isSubscribed: true,
      consumer: this.#mq.pushConsumer({
        group,
        instanceName: name,
        messageModel: "broadcasting",
        subscriptions: { [TOPIC]: expressionOf(filter) },
        consumeFromWhere: where,
        consumeTimeoutMs: TIMEOUT_MS,
        consumeMessageBatchMaxSize: batchSize,
        batchListener: (messages, context) => this.#listen(life, messages, context),
      }),
    };
    this.#lives.set(life.key, life);
    this.#outcome.joins += 1;
    const hasTaken = this.#oracle.takes(life.key, where, filter, this.#clock.now());
    return this.#change(life.consumer.start().then(hasTaken));
  }

  #anyStart(): ConsumeFromWhere {
    const timestamp = this.#clock.now() - this.#chance.nextInt(3 * HOUR) + HOUR;
    return (["last-offset", "first-offset", { timestamp }] as const)[this.#chance.nextInt(3)] ?? "last-offset";
  }

  async #leave(life: Life): Promise<void> {
    await Promise.all(this.#changing);
    if (this.#oneIn(2)) await this.#leaveInPeace(life);
    else await this.#leaveWith(life, life.consumer.close({ graceMs: 0 }));
  }

  /** Its listeners end first. */
  async #leaveInPeace(life: Life): Promise<void> {
    const closing = life.consumer.close();
    await this.#endListeners(closing, (running) => running === life);
    await this.#leaveWith(life, closing);
  }

  async #leaveWith(life: Life, closing: Promise<void>): Promise<void> {
    await closing;
    this.#lives.delete(life.key);
    this.#oracle.leaves(life.key, this.#clock.now());
  }

  #disturb(life: Life): void {
    if (this.#oneIn(2)) {
      if (this.#oneIn(2)) life.consumer.suspend();
      else life.consumer.resume();
    } else if (life.isSubscribed && this.#changing.size === 0) {
      life.consumer.unsubscribe(TOPIC);
      life.isSubscribed = false;
      this.#oracle.drops(life.key);
    } else if (!life.isSubscribed) {
      this.#subscribe(life);
    }
  }

  #subscribe(life: Life): void {
    const hasTaken = this.#oracle.takes(life.key, life.where, life.filter, this.#clock.now());
    life.consumer.subscribe(TOPIC, expressionOf(life.filter));
    life.isSubscribed = true;
    hasTaken();
  }

  /** What was committed goes on in another file; whatever the old broker still does, nobody sees. */
  async #kill(): Promise<void> {
    this.#files += 1;
    copyAsKilled(this.#mq.database, this.#folder.file(`${this.#files}.db`));
    this.#oracle.killed(this.#progress(), this.#clock.now());
    for (const life of this.#lives.values()) life.isDead = true;
    this.#lives.clear();
    for (const listener of [...this.#running]) listener.settle(true);
    await this.#mq.close({ graceMs: 0 });
    await this.#clock.settle();
    expect(this.#clock.pendingTimers).toBe(0);
  }

  async #close(isHasty: boolean): Promise<void> {
    const closing = this.#mq.close(isHasty ? { graceMs: 0 } : {});
    if (!isHasty) await this.#endListeners(closing, () => true);
    await closing;
    for (const { key } of this.#lives.values()) this.#oracle.leaves(key, this.#clock.now());
    this.#lives.clear();
    for (const listener of [...this.#running]) listener.settle(true);
    await this.#clock.settle();
    expect(this.#clock.pendingTimers).toBe(0);
  }

  async #endListeners(closing: Promise<void>, isOne: (life: Life) => boolean): Promise<void> {
    let isClosed = false;
    const closed = closing.then(() => {
      isClosed = true;
    });
    while (!isClosed) {
      for (const listener of [...this.#running]) if (isOne(listener.life)) listener.settle(true);
      await this.#clock.settle();
    }
    await closed;
  }

  #listen(
    life: Life,
    messages: readonly MessageView[],
    context: BatchConsumeContext,
  ): ConsumeResult | Promise<ConsumeResult> {
    if (life.isDead) return "success";
    const { key } = life;
    const heard = messages.map(
      ({ queueId, queueOffset }) => [queueId, this.#oracle.delivered(key, queueId, queueOffset)] as const,
    );
    const isSuccess = this.#isDraining || !this.#oneIn(6);
    if (this.#isDraining || !this.#oneIn(4)) {
      this.#done(life, heard);
      return this.#result(isSuccess, context);
    }
    return this.#listenLonger(life, heard, context);
  }

  #listenLonger(life: Life, heard: Heard, context: BatchConsumeContext): Promise<ConsumeResult> {
    return new Promise((resolve, reject) => {
      let hasTimedOut = false;
      const listener: RunningListener = {
        life,
        settle: (isSuccess) => {
          this.#running.delete(listener);
          if (!hasTimedOut && !life.isDead) this.#done(life, heard);
          try {
            resolve(this.#result(isSuccess, context));
          } catch (error) {
            reject(error);
          }
        },
      };
      this.#running.add(listener);
      context.signal.addEventListener("abort", () => {
        if (life.isDead || !isMqError(context.signal.reason, "ERR_MQ_TIMEOUT")) return;
        hasTimedOut = true;
        this.#outcome.timedOut += 1;
        this.#done(life, heard);
      });
    });
  }

  /** A broadcasting instance is done with what it fails on, too. */
  #done({ key }: Life, heard: Heard): void {
    for (const [queueId, message] of heard) this.#oracle.done(key, queueId, message);
  }

  #result(isSuccess: boolean, context: BatchConsumeContext): ConsumeResult {
    if (isSuccess) return this.#oneIn(2) ? "success" : undefined;
    this.#outcome.failed += 1;
    switch (this.#chance.nextInt(4)) {
      case 0:
        throw new Error("no");
      case 1:
        return null as unknown as undefined;
      case 2:
        context.ackIndex = -1;
        return "success";
      default:
        return "retry";
    }
  }

  /** As while a computer sleeps: what became due meanwhile runs afterwards. */
  async #pass(ms: number): Promise<void> {
    await this.#clock.settle();
    this.#clock.setTime(this.#clock.now() + ms);
    await this.#clock.advance(0);
  }

  #check(): void {
    if (this.#mq.database.open) {
      this.#oracle.checkKnown(new Set(this.#select("mq_broadcast_instance").map(keyOfRow)), this.#clock.now());
      this.#oracle.checkProgress(this.#progress());
    }
    expect(this.#oracle.violations).toEqual([]);
    expect(this.#errors).toEqual([]);
  }

  #progress(): readonly StoredProgress[] {
    return this.#select("mq_broadcast_offset", "queue_id", "next_offset").map((row) => ({
      key: keyOfRow(row),
      queueId: row[2] as number,
      nextOffset: row[3] as number,
    }));
  }

  #select(table: string, ...columns: readonly string[]): readonly unknown[][] {
    const list = ["consumer_group", "instance_name", ...columns].join(", ");
    const statement = this.#mq.database.prepare(`SELECT ${list} FROM ${table}`) as SqliteStatement;
    return statement.raw().all() as unknown[][];
  }

  #change(done: Promise<void>): Promise<void> {
    const change: Promise<void> = done.finally(() => this.#changing.delete(change));
    this.#changing.add(change);
    return change;
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => this.#clock.turn(resolve));
  }

  #oneIn(n: number): boolean {
    return this.#chance.nextInt(n) === 0;
  }
}

function keyOf(group: string, name: string = "DEFAULT"): string {
  return `${group}/${name}`;
}

function keyOfRow([group, name]: readonly unknown[]): string {
  return keyOf(group as string, name as string);
}

function expressionOf(filter: Filter): string {
  return filter === undefined ? "*" : [...filter].join(" || ");
}
