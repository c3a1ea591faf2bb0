import { existsSync } from "node:fs";
import { expect } from "vitest";
import { resolveBrokerOptions } from "../../../lib/broker-options.js";
import {
  type EmbeddedTransactionProducer,
  isMqError,
  type Logger,
  type MessageView,
  type Transaction,
  type TransactionResolution,
} from "../../../lib/index.js";
import { GIVEN_UP_TOPIC } from "../../../lib/message/system-topics.js";
import { LocalTestBroker } from "../../../lib/testing/local-test-broker.js";
import { browseQueue } from "../../support/shared-connection.js";
import { type TempFolder, tempFolder } from "../../support/temp-folder.js";
import { findProblems } from "../../support/test-broker.js";
import { VirtualClock } from "../../support/virtual-clock.js";
import { type HalvesModel, RoundsModel, type Seen, TimedModel } from "./halves-model.js";
import { type Asked, CHECK_MAX, GROUPS, INTERVAL_MS, type Said, type Step, TIMEOUT_MS } from "./step.js";

const TOPIC = "orders";
const ROUND_MS = 2_000;
const MOST_ROUNDS = 20;
const FOLDER = existsSync("/dev/shm") ? "/dev/shm" : undefined;

export interface RunOptions {
  readonly profile: "embedded" | "rocketmq";
  /** Memory is nobody else's, and nothing survives its closing. */
  readonly place: "file" | "memory";
  /** How many have the file open. */
  readonly brokers: number;
}

const nothing = (): void => undefined;

/** A broker with producers that vanish, answer late, differently or never, and the model beside them. */
export class TransactionsRun implements AsyncDisposable {
  readonly #options: RunOptions;
  readonly #folder: TempFolder = tempFolder(FOLDER);
  readonly #clock = new VirtualClock();
  readonly #model: HalvesModel;
  /** By body. */
  readonly #answers = new Map<string, { readonly asked: Asked; readonly askers: number[] }>();
  readonly #bodies = new Map<string, string>();
  readonly #asked: Seen[] = [];
  readonly #errors: unknown[] = [];
  #producers: {
    readonly broker: number;
    readonly group: string;
    readonly producer: EmbeddedTransactionProducer;
  }[] = [];
  readonly #mends = new Map<string, readonly (() => void)[]>();
  readonly #begun: {
    readonly body: string;
    readonly group: string;
    readonly transaction: Transaction;
    readonly broker: number;
    readonly life: number | undefined;
  }[] = [];
  /** By broker. */
  readonly #lives: number[] = [];
  readonly #mqs: LocalTestBroker[] = [];
  #opened = 0;
  #sends = 0;

  private constructor(options: RunOptions) {
    this.#options = options;
    const now = this.#clock.now();
    this.#model =
      options.profile === "embedded"
        ? new TimedModel(now, (body, asks) => this.#answers.get(body)?.askers[asks] ?? -1)
        : new RoundsModel(now, options.place === "file");
  }

  static async run(options: RunOptions, steps: readonly Step[]): Promise<void> {
    await using run = new TransactionsRun(options);
    for (let broker = 0; broker < options.brokers; broker += 1) await run.#open(broker);
    for (const step of steps) await run.#go(step);
    await run.#end();
  }

  async #go(step: Step): Promise<void> {
    await this.#do(step);
    await this.#clock.advance(0);
    this.#model.passed(this.#clock.now());
    await this.#verify();
  }

  #do(step: Step): Promise<void> {
    switch (step.kind) {
      case "send":
        return this.#send(step.broker % this.#options.brokers, step.asked);
      case "end":
        return this.#endOne(step.nth, step.end);
      case "advance":
        return this.#advance(step.ms);
      case "start":
        return this.#start(step.broker % this.#options.brokers, step.group);
      case "close":
        return this.#close(step.group);
      case "lose":
        return this.#lose(step.group);
      case "mend":
        return this.#mend(step.group);
      case "crash":
        return this.#crash(step.broker % this.#options.brokers);
      case "reopen":
        return this.#reopen(step.broker % this.#options.brokers, step.awayMs);
      default:
        return step satisfies never;
    }
  }

  async #send(broker: number, asked: Asked): Promise<void> {
    const { group, says, immunity } = asked;
    const find = (): EmbeddedTransactionProducer | undefined =>
      this.#producers.findLast((each) => each.broker === broker && each.group === group)?.producer;
    if (find() === undefined) await this.#start(broker, group);
    // Whoever was started is asked for what has waited for it.
    await this.#clock.advance(0);
    this.#model.passed(this.#clock.now());
    const producer = find();
    if (producer === undefined) throw new Error(`group ${group} has no producer`);
    this.#sends += 1;
    const body = `${this.#sends}`;
    this.#answers.set(body, { asked, askers: [] });
    const properties = immunity === undefined ? {} : { CHECK_IMMUNITY_TIME_IN_SECONDS: immunity };
    const message = { topic: TOPIC, body, properties };
    this.#model.send(body, asked);
    if (says === undefined) {
      const transaction = producer.beginTransaction();
      const { messageId } = await transaction.send(message);
      this.#bodies.set(messageId, body);
      this.#begun.push({ body, group, transaction, broker, life: this.#lives[broker] });
      return;
    }
    const { messageId, localTransactionState } = await producer.sendInTransaction(message);
    this.#bodies.set(messageId, body);
    expect(localTransactionState).toBe(says === "throw" ? "unknown" : says);
    if (says === "commit" || says === "rollback") this.#model.end(body, group, says);
  }

  async #endOne(nth: number, end: "commit" | "rollback"): Promise<void> {
    const begun = this.#begun[nth % Math.max(1, this.#begun.length)];
    if (begun === undefined) return;
    const { body, group, transaction, broker, life } = begun;
    const outcome = await transaction[end]().then(
      () => "done",
      (error: unknown) => (isMqError(error) ? error.code : error),
    );
    if (life !== this.#lives[broker]) expect(["ERR_MQ_CLOSED", "ERR_MQ_TIMEOUT"]).toContain(outcome);
    else expect([body, end, outcome]).toEqual([body, end, this.#model.end(body, group, end)]);
  }

  async #advance(ms: number): Promise<void> {
    await this.#clock.advance(ms);
  }

  async #start(broker: number, group: string): Promise<void> {
    const producer = this.#at(broker).transactionProducer({
      group,
      executeLocalTransaction: (message) => sayNow(this.#answersTo(message).asked.says ?? "unknown"),
      checkLocalTransaction: (message) => this.#check(broker, message),
    });
    this.#producers.push({ broker, group, producer });
    await producer.start();
    this.#model.start(broker, group);
  }

  async #close(group: string): Promise<void> {
    const index = this.#producers.findIndex((each) => each.group === group);
    const [closing] = this.#producers.splice(index, index === -1 ? 0 : 1);
    if (closing === undefined) return;
    await closing.producer.close();
    this.#model.close(closing.broker, group);
  }

  async #lose(group: string): Promise<void> {
    if (!this.#mends.has(group))
      this.#mends.set(
        group,
        this.#mqs.map(({ faults }) => faults.loseEndTransaction({ producerGroup: group })),
      );
    this.#model.lose(group, true);
  }

  async #mend(group: string): Promise<void> {
    for (const mend of this.#mends.get(group) ?? []) mend();
    this.#mends.delete(group);
    this.#model.lose(group, false);
  }

  async #crash(broker: number): Promise<void> {
    await this.#at(broker).faults.crash();
    this.#begins(broker);
  }

  /** Others go on meanwhile. In memory nothing would be left. */
  async #reopen(broker: number, awayMs: number): Promise<void> {
    const { place, brokers } = this.#options;
    if (place === "memory") return this.#crash(broker);
    for (const group of GROUPS) await this.#mend(group);
    await this.#at(broker).close({ graceMs: 0 });
    if (brokers === 1) this.#clock.setTime(this.#clock.now() + awayMs);
    else {
      this.#model.crash(broker);
      this.#producers = this.#producers.filter((each) => each.broker !== broker);
      await this.#clock.advance(awayMs);
      this.#model.passed(this.#clock.now());
    }
    await this.#open(broker);
    this.#begins(broker);
  }

  /** A broker without producers. */
  #begins(broker: number): void {
    this.#lives[broker] = (this.#lives[broker] ?? 0) + 1;
    this.#producers = this.#producers.filter((each) => each.broker !== broker);
    this.#model.crash(broker);
    this.#model.open(this.#clock.now());
  }

  #at(broker: number): LocalTestBroker {
    const mq = this.#mqs[broker];
    if (mq === undefined) throw new Error(`there is no broker ${broker}`);
    return mq;
  }

  async #open(broker: number): Promise<void> {
    const { profile, place } = this.#options;
    const logger: Logger = {
      ...{ debug: nothing, info: nothing, warn: nothing },
      error: (text) => void this.#errors.push(text),
    };
    const where = place === "file" ? { path: this.#folder.file("app.db"), synchronous: "off" as const } : {};
    this.#opened += 1;
    // Of two processes with one seed the messages would have the same ids.
    const seed = this.#opened;
    const options = resolveBrokerOptions({
      ...{ path: ":memory:", ...where, clock: this.#clock, profile, logger, seed, defaultQueueCount: 1 },
      transaction: { timeoutMs: TIMEOUT_MS, checkIntervalMs: INTERVAL_MS, checkMax: CHECK_MAX },
    });
    const mq = await LocalTestBroker.open({ broker: options, clock: this.#clock, leaks: "ignore" });
    mq.on("error", (error) => void this.#errors.push(error));
    this.#mqs[broker] = mq;
  }

  #check(broker: number, message: MessageView): Promise<TransactionResolution> | TransactionResolution {
    const body = message.text();
    const entry = this.#answersTo(message);
    this.#asked.push({ body, at: this.#clock.now() });
    const { says, afterMs } = entry.asked.answers[entry.askers.length] ?? { says: "unknown", afterMs: 0 };
    entry.askers.push(broker);
    if (afterMs === 0) return sayNow(says);
    return new Promise((resolve, reject) => {
      if (afterMs !== undefined)
        this.#clock.at(this.#clock.now() + afterMs, () =>
          says === "throw" ? reject(new Error("fails on purpose")) : resolve(says),
        );
    });
  }

  #answersTo(message: MessageView): { readonly asked: Asked; readonly askers: number[] } {
    const entry = this.#answers.get(message.text());
    if (entry === undefined) throw new Error(`no half message has the body ${message.text()}`);
    return entry;
  }

  async #verify(): Promise<void> {
    const halves = await this.#at(0).admin.listHalfMessages();
    const listed = halves.map(({ messageId, checks, nextCheckAt }) => {
      return { body: this.#bodies.get(messageId), checks, nextCheckAt };
    });
    expect(listed).toEqual(this.#model.listHalves());
    expect(sorted(this.#asked)).toEqual(sorted(this.#model.asked));
    expect(this.#errors).toEqual([]);
  }

  /** Somebody answers all that is left, or it is given up. */
  async #end(): Promise<void> {
    expect(findProblems(this.#at(0).database)).toEqual([]);
    for (const group of GROUPS) await this.#start(0, group);
    for (let left = MOST_ROUNDS; left > 0 && !this.#model.isSettled; left -= 1)
      await this.#go({ kind: "advance", ms: ROUND_MS });
    expect(this.#model.isSettled).toBe(true);
    expect(sorted(await this.#stored(TOPIC))).toEqual(sorted(this.#model.visible));
    expect(sorted(await this.#stored(GIVEN_UP_TOPIC))).toEqual(sorted(this.#model.givenUp));
    expect(findProblems(this.#at(0).database)).toEqual([]);
  }

  async #stored(topic: string): Promise<readonly Seen[]> {
    const topics = await this.#at(0).admin.listTopics({ system: true });
    if (topics.every((known) => known.topic !== topic)) return [];
    const messages = await browseQueue(this.#at(0), topic);
    return messages.map((message) => ({ body: message.text(), at: message.storeTimestamp }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const mq of this.#mqs) await mq.close({ graceMs: 0 });
    this.#folder[Symbol.dispose]();
  }
}

function sayNow(says: Said): TransactionResolution {
  if (says === "throw") throw new Error("fails on purpose");
  return says;
}

/** What happens in one millisecond has no order. */
function sorted(seen: readonly Seen[]): readonly Seen[] {
  return [...seen].sort((a, b) => a.at - b.at || Number(a.body) - Number(b.body));
}
