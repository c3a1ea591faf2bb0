import { createHash } from "node:crypto";
import { ConsumeResult, type MessageView, OrderlyResult, type Producer } from "../../../lib/index.js";
import { type HistoryEvent, openTestBroker, type TestBroker } from "../../../lib/testing/index.js";
import { type Chance, seededChance } from "../../../lib/time/chance.js";

/** What happens in a year, or a shorter time. */
export interface YearPlan {
  readonly seed: number;
  readonly days: number;
  readonly messagesADay: number;
  /** Crashes, besides the closing and opening of each day. */
  readonly restarts: number;
  readonly clockJumps: number;
  readonly profile: "embedded" | "rocketmq";
}

export interface Year {
  readonly history: readonly HistoryEvent[];
  /** The same, for the checker: without times that count no longer since the clock was set back. */
  readonly checkable: readonly HistoryEvent[];
  /** Messages that were called back, which have expired, too. */
  readonly recalls: number;
  /** Of all that happened. */
  readonly digest: string;
  /** What `admin.checkStore` found at the end, and messages that somebody had not consumed. */
  readonly problems: readonly string[];
  readonly lag: number;
  /** Messages that were left in the store. */
  readonly kept: number;
}

export const GROUPS = ["billing", "ledger"] as const;
const TOPIC = "orders";
const HOUR = 3_600_000;
/** Of each day; for the rest of it nobody is there. */
const WORKING_HOURS = 2;
const MESSAGES_A_BURST = 50;
const quiet = (): void => undefined;

/** Lets an application with two groups live through a year: traffic in bursts for some hours a day, delays, recalls, failures, crashes, clocks that are set. The same for the same plan. */
export async function liveThrough(plan: YearPlan): Promise<Year> {
  const logger = { debug: quiet, info: quiet, warn: quiet, error: quiet };
  const broker = await openTestBroker({ seed: plan.seed, profile: plan.profile, logger, leaks: "ignore" });
  const life = new Life(broker, plan);
  try {
    return await life.live();
  } finally {
    await broker.close({ graceMs: 0 });
  }
}

class Life {
  readonly #broker: TestBroker;
  readonly #plan: YearPlan;
  readonly #chance: Chance;
  /** Messages with a delay level. */
  readonly #byLevel = new Set<string>();
  #recalls = 0;
  #producer: Producer;
  #consumers: { close(): Promise<void> }[] = [];
  /** What the clock said, and how much had happened. */
  readonly #setBacks: { readonly from: number; readonly events: number }[] = [];

  constructor(broker: TestBroker, plan: YearPlan) {
    this.#broker = broker;
    this.#plan = plan;
    this.#chance = seededChance(plan.seed);
    this.#producer = broker.producer({ group: "shop" });
  }

  async live(): Promise<Year> {
    const { days, restarts, clockJumps } = this.#plan;
    const restartsOn = this.#days(restarts);
    const jumpsOn = this.#days(clockJumps);
    const { clock } = this.#broker;
    for (let day = 0; day < days; day += 1) {
      const dawn = clock.now();
      for (let count = jumpsOn.get(day) ?? 0; count > 0; count -= 1) this.#jump();
      await this.#start();
      await this.#traffic();
      for (let count = restartsOn.get(day) ?? 0; count > 0; count -= 1) await this.#restart();
      await this.#stop();
      await clock.advance(Math.max(0, dawn + 24 * HOUR - clock.now()));
    }
    await this.#start();
    await clock.advance("4d");
    return this.#report();
  }

  /** How often on which day. */
  #days(count: number): ReadonlyMap<number, number> {
    const days = new Map<number, number>();
    for (let index = 0; index < count; index += 1) {
      const day = this.#chance.nextInt(this.#plan.days);
      days.set(day, (days.get(day) ?? 0) + 1);
    }
    return days;
  }

  async #start(): Promise<void> {
    const billing = this.#broker.pushConsumer({
      ...{ group: "billing", subscriptions: { [TOPIC]: "*" }, maxReconsumeTimes: 3, consumeFromWhere: "first-offset" },
      listener: (message) => this.#bill(message),
    });
    const ledger = this.#broker.pushConsumer({
      ...{ group: "ledger", subscriptions: { [TOPIC]: "*" }, orderly: true, consumeFromWhere: "first-offset" },
      listener: () => (this.#happens(100) ? OrderlyResult.SUSPEND : OrderlyResult.SUCCESS),
    });
    this.#consumers = [billing, ledger];
    await Promise.all([billing.start(), ledger.start()]);
  }

  /** In good order. */
  async #stop(): Promise<void> {
    await Promise.all(this.#consumers.map((consumer) => consumer.close()));
  }

  /** One of a thousand can never be billed; one of thirty fails by chance. */
  #bill(message: MessageView): ConsumeResult {
    return message.tag === "hopeless" || this.#happens(30) ? ConsumeResult.RETRY : ConsumeResult.SUCCESS;
  }

  async #traffic(): Promise<void> {
    const bursts = Math.ceil(this.#plan.messagesADay / MESSAGES_A_BURST);
    for (let burst = 0; burst < bursts; burst += 1) {
      await Promise.all(Array.from({ length: MESSAGES_A_BURST }, () => this.#send()));
      await this.#broker.clock.advance(1 + this.#chance.nextInt(Math.floor((2 * WORKING_HOURS * HOUR) / bursts)));
    }
  }

  async #send(): Promise<void> {
    const content = { topic: TOPIC, body: "x", tag: this.#happens(1_000) ? "hopeless" : "order" };
    if (!this.#happens(10)) {
      await this.#producer.send(content);
      return;
    }
    const delayMs = this.#chance.nextInt(72 * HOUR);
    const delayed = [
      { ...content, delayLevel: 1 + this.#chance.nextInt(18) },
      { ...content, delayMs },
      { ...content, deliverAt: this.#broker.clock.now() + delayMs },
    ] as const;
    const choice = delayed[this.#chance.nextInt(3)] ?? delayed[0];
    const isRecalled = this.#happens(5);
    const receipt = await this.#producer.send(choice);
    const { recallHandle, messageId } = receipt;
    if (recallHandle === undefined) this.#byLevel.add(messageId);
    if (recallHandle === undefined || !isRecalled || this.#plan.profile === "rocketmq" || delayMs < HOUR) return;
    await this.#producer.recall(TOPIC, recallHandle);
    this.#recalls += 1;
  }

  /** Up to six hours, back or forth. */
  #jump(): void {
    const byMs = this.#chance.nextInt(12 * HOUR) - 6 * HOUR;
    const { clock, faults, history } = this.#broker;
    if (byMs < 0) this.#setBacks.push({ from: clock.now(), events: history.length });
    faults.jumpClock(byMs);
  }

  /** Whether it may come before that time comes again: it was due, or its delay has begun anew. */
  #mayComeBefore({ state, messageId, dueAt = Number.POSITIVE_INFINITY }: HistoryEvent, index: number): boolean {
    const isForSomeTime = state === "retried" || this.#byLevel.has(messageId);
    return this.#setBacks.some(({ from, events }) => events > index && (isForSomeTime || from >= dueAt));
  }

  /** By a crash, with nobody there for a while. */
  async #restart(): Promise<void> {
    await this.#broker.faults.crash();
    this.#producer = this.#broker.producer({ group: "shop" });
    await this.#broker.clock.advance(this.#chance.nextInt(HOUR));
    await this.#start();
    await this.#broker.clock.advance("10m");
  }

  async #report(): Promise<Year> {
    const { admin, history } = this.#broker;
    const { problems } = await admin.checkStore();
    const stats = await Promise.all(GROUPS.map((group) => admin.consumeStats(group)));
    const queues = await admin.topicStats(TOPIC);
    const hash = createHash("sha256");
    for (const event of history) hash.update(JSON.stringify(event));
    const checkable = history.map((event, index) =>
      this.#mayComeBefore(event, index) ? { ...event, dueAt: undefined } : event,
    );
    return {
      ...{ history, checkable, problems, recalls: this.#recalls, digest: hash.digest("hex") },
      lag: stats.reduce((sum, { lag }) => sum + lag, 0),
      kept: queues.reduce((sum, { minOffset, maxOffset }) => sum + maxOffset - minOffset, 0),
    };
  }

  /** Once in so many times. */
  #happens(times: number): boolean {
    return this.#chance.nextInt(times) === 0;
  }
}
