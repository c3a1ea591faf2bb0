import { expect } from "vitest";
import { isMqError, type Message, type SendReceipt } from "../../../lib/index.js";
import { copyAsKilled } from "../../support/killed-copy.js";
import { browseQueue } from "../../support/shared-connection.js";
import { type TempFolder, tempFolder } from "../../support/temp-folder.js";
import { openTestBroker, type TestBroker } from "../../support/test-broker.js";
import { VirtualClock } from "../../support/virtual-clock.js";
import { DELAY_LEVELS, DelaysModel, type Visible } from "./delays-model.js";
import type { Asked, Step } from "./step.js";

const QUEUES = [0, 1];
/** Longer than any delay. */
const END_MS = 10_000;

export interface RunOptions {
  readonly profile: "embedded" | "rocketmq";
  /** Of its timers. */
  readonly precisionMs: number;
}

/** A broker on a file, a producer and a consumer, and the model beside them. */
export class DelaysRun implements AsyncDisposable {
  readonly #profile: RunOptions["profile"];
  readonly #folder: TempFolder = tempFolder();
  readonly #clock = new VirtualClock();
  readonly #model: DelaysModel;
  readonly #receipts: SendReceipt[] = [];
  /** By queue, what the listener got, and when for the first time. */
  readonly #delivered: readonly Visible[][] = QUEUES.map(() => []);
  readonly #repeated: string[] = [];
  #lives = 0;
  #path = this.#folder.file("0.db");
  #broker!: TestBroker;

  private constructor({ profile, precisionMs }: RunOptions) {
    this.#profile = profile;
    this.#model = new DelaysModel(precisionMs);
  }

  static async run(options: RunOptions, steps: readonly Step[]): Promise<void> {
    await using run = new DelaysRun(options);
    await run.#open();
    for (const step of steps) await run.#do(step);
    await run.#advance(END_MS);
    await run.#verify();
    if (steps.every((step) => step.kind !== "reopen" || step.end === "closed")) expect(run.#repeated).toEqual([]);
  }

  #do(step: Step): Promise<void> {
    switch (step.kind) {
      case "send":
        return this.#send(step.messages);
      case "recall":
        return this.#recall(step.nth);
      case "advance":
        return this.#advance(step.ms);
      case "reopen":
        return this.#reopen(step.end, step.awayMs);
      default:
        return step satisfies never;
    }
  }

  async #send(messages: readonly Asked[]): Promise<void> {
    const now = this.#clock.now();
    const producer = this.#broker.mq.producer({ group: "shop" });
    const sends = messages.map((asked) => {
      const message: Message = { topic: "orders", body: this.#model.send(asked, now), ...delayOf(asked, now) };
      return producer.send(message, { queue: asked.queueId });
    });
    this.#receipts.push(...(await Promise.all(sends)));
    await this.#clock.settle();
  }

  async #recall(nth: number): Promise<void> {
    const index = nth % Math.max(1, this.#receipts.length);
    const receipt = this.#receipts[index];
    if (receipt === undefined) return;
    const { recallHandle, messageId } = receipt;
    expect(recallHandle !== undefined).toBe(this.#model.isRecallable(`${index}`));
    if (recallHandle === undefined) return;
    const recalling = this.#broker.mq.producer({ group: "shop" }).recall("orders", recallHandle);
    const outcome = await recalling.catch((error: unknown) => (isMqError(error) ? error.code : error));
    const isRecalled = this.#model.recall(`${index}`, this.#clock.now());
    expect(outcome).toBe(isRecalled ? messageId : "ERR_MQ_RECALL");
  }

  async #advance(ms: number): Promise<void> {
    const from = this.#clock.now();
    await this.#clock.advance(ms);
    this.#model.passed(from, from + ms);
  }

  async #reopen(end: "closed" | "killed", awayMs: number): Promise<void> {
    const left = this.#folder.file(`${this.#lives}.db`);
    if (end === "killed") copyAsKilled(this.#broker.mq.database, left);
    await this.#broker[Symbol.asyncDispose]();
    if (end === "killed") this.#path = left;
    this.#clock.setTime(this.#clock.now() + awayMs);
    await this.#open();
    const now = this.#clock.now();
    this.#model.passed(now, now);
  }

  async #open(): Promise<void> {
    this.#lives += 1;
    this.#broker = await openTestBroker({
      ...{ path: this.#path, clock: this.#clock, profile: this.#profile, synchronous: "off", seed: this.#lives },
      ...{ messageDelayLevels: DELAY_LEVELS, recallMessageEnable: true, defaultQueueCount: QUEUES.length },
    });
    await this.#broker.mq.admin.createTopic("orders");
    const consumer = this.#broker.mq.pushConsumer({
      ...{ group: "billing", consumeFromWhere: "first-offset", subscriptions: { orders: "*" } },
      listener: (message) => this.#deliver(message.queueId, message.text()),
    });
    await consumer.start();
    await this.#clock.advance(0);
  }

  #deliver(queueId: number, body: string): void {
    const delivered = this.#delivered[queueId];
    if (delivered?.some((before) => before.body === body) === false) delivered.push({ body, at: this.#clock.now() });
    else this.#repeated.push(body);
  }

  async #verify(): Promise<void> {
    for (const queueId of QUEUES) {
      const stored = await browseQueue(this.#broker.mq, "orders", queueId);
      const expected = this.#model.listVisible(queueId);
      expect(stored.map((message) => ({ body: message.text(), at: message.storeTimestamp }))).toEqual(expected);
      expect(this.#delivered[queueId]).toEqual(expected);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#broker[Symbol.asyncDispose]();
    this.#folder[Symbol.dispose]();
  }
}

function delayOf({ delay }: Asked, now: number): Partial<Message> {
  switch (delay.by) {
    case "nothing":
      return {};
    case "delayLevel":
      return { delayLevel: delay.level };
    case "delayMs":
      return { delayMs: delay.ms };
    case "deliverAt":
      return { deliverAt: now + delay.ms };
    default:
      return delay satisfies never;
  }
}
