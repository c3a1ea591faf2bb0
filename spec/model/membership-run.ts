import { expect } from "vitest";
import {
  allocateAveragely,
  type ConsumeContext,
  type ConsumeResult,
  isMqError,
  type MessageQueue,
  type MessageView,
  type PushConsumer,
} from "../../lib/index.js";
import { type Chance, seededChance } from "../../lib/time/chance.js";
import { openTestBroker, type TestBroker } from "../support/test-broker.js";
import { GroupOracle } from "./group-oracle.js";

const [TOPIC, GROUP, QUEUES, RETRY_QUEUES, MOST_MEMBERS] = ["orders", "readers", 8, 3, 32] as const;
/** After which a failed message comes again for the first time. */
const RETRY_MS = 10_000;
/** Sooner than that: whoever still runs then is too late. */
const TIMEOUT_MS = 8_000;

export interface MembershipOptions {
  readonly seed: number;
  /** Joins and leaves together. */
  readonly changes: number;
  readonly messages: number;
}

/** What happened, to see that the run meant something. */
export interface MembershipOutcome {
  readonly consumed: number;
  readonly joins: number;
  readonly leaves: number;
  readonly repeats: number;
  readonly ignoredResults: number;
  readonly retries: number;
  readonly timeouts: number;
  readonly mostMembers: number;
}

interface RunningListener {
  readonly clientId: string;
  settle(isSuccess: boolean): void;
}

/**
 * Members join and leave at random while messages are sent and consumed, with listeners that return at once, later, too late or with a failure. Fails on
 * the first broken rule.
 */
export async function runMembership(options: MembershipOptions): Promise<MembershipOutcome> {
  await using test = await openTestBroker({ seed: options.seed, defaultQueueCount: QUEUES });
  const run = new MembershipRun(test, seededChance(options.seed));
  await test.mq.admin.createTopic(TOPIC);
  await test.mq.admin.createGroup(GROUP, { retryQueueNums: RETRY_QUEUES });
  const perChange = options.messages / options.changes;
  for (let change = 0; change < options.changes; change += 1) {
    run.send(perChange);
    await run.changeMembers();
    await run.letSomethingHappen();
    if (change % 100 === 99) await run.drain();
  }
  await run.drain();
  return run.outcome;
}

class MembershipRun {
  readonly #test: TestBroker;
  readonly #chance: Chance;
  readonly #oracle = new GroupOracle();
  readonly #producer;
  readonly #members = new Map<string, PushConsumer>();
  readonly #changing = new Set<Promise<void>>();
  readonly #running = new Set<RunningListener>();
  readonly #sends: Promise<unknown>[] = [];
  #isDraining = false;
  #mostMembers = 0;
  #joined = 0;
  #timeouts = 0;

  constructor(test: TestBroker, chance: Chance) {
    this.#test = test;
    this.#chance = chance;
    this.#producer = test.mq.producer({ group: "senders" });
    test.mq.on("message:retried", ({ messageId, deliveryAttempt, dueAt }) =>
      this.#oracle.retried(messageId, deliveryAttempt, dueAt, test.clock.now()),
    );
  }

  get outcome(): MembershipOutcome {
    const { consumed, repeats, ignoredResults, retries } = this.#oracle;
    return {
      consumed,
      retries,
      timeouts: this.#timeouts,
      joins: this.#joined,
      leaves: this.#joined - this.#members.size,
      repeats,
      ignoredResults,
      mostMembers: this.#mostMembers,
    };
  }

  /** Half of them in a batch, the others one by one. */
  send(count: number): void {
    const batch = Array.from({ length: Math.floor(count / 2) }, () => ({ topic: TOPIC, body: "b" }));
    if (batch.length > 0) this.#sends.push(this.#producer.sendBatch(batch));
    for (let left = count - batch.length; left > 0; left -= 1)
      this.#sends.push(this.#producer.send({ topic: TOPIC, body: "m" }));
  }

  async changeMembers(): Promise<void> {
    const count = this.#members.size;
    const isJoin = count < 2 || (count < MOST_MEMBERS && this.#chance.nextInt(32) > (count - 4) / 2);
    await (isJoin ? this.#join() : this.#leave());
    this.#mostMembers = Math.max(this.#mostMembers, this.#members.size);
  }

  /** Some listeners return, and the loop turns a little or until it is quiet. */
  async letSomethingHappen(): Promise<void> {
    for (const listener of [...this.#running]) if (this.#oneIn(3)) listener.settle(!this.#oneIn(50));
    const turns = this.#chance.nextInt(4);
    for (let turn = 0; turn < turns; turn += 1) await new Promise<void>((resolve) => this.#test.clock.turn(resolve));
    if (this.#oneIn(4)) await this.#test.clock.settle();
    if (this.#oneIn(20)) await this.#test.clock.advance(RETRY_MS);
    if (this.#changing.size === 0) this.#checkAssignment();
    await this.#eachQueue((queue, offset) => this.#oracle.checkOffset(queue, offset));
  }

  /** Everything that was sent is consumed now, what waits for its retry too, and the queues are shared as they should be. */
  async drain(): Promise<void> {
    await Promise.all(this.#sends.splice(0));
    this.#isDraining = true;
    for (let left = await this.#left(); left.some((count) => count > 0); ) {
      const hadListeners = this.#running.size > 0;
      for (const listener of [...this.#running]) listener.settle(true);
      await this.#test.clock.settle();
      if (!hadListeners) await this.#test.clock.advance(this.#msUntilDue() ?? RETRY_MS);
      const before = left.join(" ");
      left = await this.#left();
      if (!hadListeners && left.join(" ") === before)
        throw new Error(`stranded (running, changing, lag, put off): ${before}`);
    }
    this.#isDraining = false;
    this.#checkAssignment();
    await this.#test.clock.advance(100);
    await this.#eachQueue((queue, offset, maxOffset) => this.#oracle.checkDrained(queue, offset, maxOffset));
    expect(this.#rows("SELECT * FROM mq_sent_back")).toEqual([]);
  }

  async #join(): Promise<void> {
    this.#joined += 1;
    const consumer = this.#test.mq.pushConsumer({
      group: GROUP,
      subscriptions: { [TOPIC]: "*" },
      instanceName: `${this.#chance.nextInt(1_000)}-${this.#joined}`,
      allocateMessageQueueStrategy: this.#oracle.strategy,
      consumeTimeoutMs: TIMEOUT_MS,
      listener: (message, context) => this.#listen(consumer.clientId, message, context),
    });
    this.#members.set(consumer.clientId, consumer);
    const starting = this.#change(
      consumer.start().catch((error: unknown) => {
        // It left before it had joined.
        if (!isMqError(error, "ERR_MQ_CLOSED") || this.#members.has(consumer.clientId)) throw error;
      }),
    );
    if (!this.#oneIn(4)) await starting;
  }

  async #leave(): Promise<void> {
    const ids = [...this.#members.keys()];
    const clientId = ids[this.#chance.nextInt(ids.length)] as string;
    const consumer = this.#members.get(clientId) as PushConsumer;
    this.#members.delete(clientId);
    const isHasty = this.#oneIn(3);
    const closing = this.#change(consumer.close(isHasty ? { graceMs: 0 } : {}).then(() => this.#oracle.left(clientId)));
    if (isHasty) {
      // Waits in real time, in which nothing else must happen.
      await closing;
    } else if (this.#oneIn(2)) {
      await this.#test.clock.settle();
      for (const listener of [...this.#running]) if (listener.clientId === clientId) listener.settle(true);
      await closing;
    }
  }

  #listen(
    clientId: string,
    message: MessageView,
    { messageQueue, signal }: ConsumeContext,
  ): ConsumeResult | Promise<ConsumeResult> {
    const delivery = this.#oracle.delivered(clientId, messageQueue, message, this.#test.clock.now());
    if (!this.#isDraining && this.#oneIn(100)) {
      this.#oracle.failed(delivery);
      return "retry";
    }
    if (!this.#oneIn(3)) {
      this.#oracle.succeeded(delivery);
      return "success";
    }
    let isLate = false;
    signal.addEventListener("abort", () => {
      if (!isMqError(signal.reason, "ERR_MQ_TIMEOUT")) return;
      isLate = true;
      this.#timeouts += 1;
      this.#oracle.timedOut(delivery);
    });
    const result = new Promise<"success" | "retry">((resolve) => {
      const listener: RunningListener = {
        clientId,
        settle: (isSuccess) => {
          this.#running.delete(listener);
          resolve(isSuccess ? "success" : "retry");
        },
      };
      this.#running.add(listener);
    });
    // Just before the consumer hears of it: the queue may have been taken away after the listener returned.
    void result.then((said) => {
      if (isLate) return;
      if (said === "success") this.#oracle.succeeded(delivery);
      else this.#oracle.failed(delivery);
    });
    return result;
  }

  #change(done: Promise<void>): Promise<void> {
    const change: Promise<void> = done.finally(() => this.#changing.delete(change));
    this.#changing.add(change);
    return change;
  }

  #checkAssignment(): void {
    const ids = [...this.#members.keys()].sort();
    const queues = Array.from({ length: QUEUES }, (_, queueId) => ({ topic: TOPIC, brokerName: "broker-a", queueId }));
    const expected = ids.map((id) => [id, toIds(allocateAveragely(GROUP, id, queues, ids))]);
    expect(ids.map((id) => [id, toIds(this.#members.get(id)?.assignment ?? [])])).toEqual(expected);
  }

  /** Listeners that run, members that change, messages that wait in their queues, and blocks of those that wait for their retry. */
  async #left(): Promise<readonly number[]> {
    const { lag } = await this.#test.mq.admin.consumeStats(GROUP);
    return [this.#running.size, this.#changing.size, lag, this.#rows("SELECT due_key FROM mq_due").length];
  }

  #msUntilDue(): number | undefined {
    const [first] = this.#rows("SELECT due_at FROM mq_due ORDER BY due_at LIMIT 1") as { readonly due_at: number }[];
    return first === undefined ? undefined : first.due_at - this.#test.clock.now();
  }

  #rows(sql: string): readonly unknown[] {
    return (this.#test.mq.database.prepare(sql) as { all(): unknown[] }).all();
  }

  async #eachQueue(check: (queue: MessageQueue, consumerOffset: number, maxOffset: number) => void): Promise<void> {
    const { queues } = await this.#test.mq.admin.consumeStats(GROUP);
    for (const { queue, consumerOffset, brokerOffset } of queues) check(queue, consumerOffset, brokerOffset);
    expect(this.#oracle.violations).toEqual([]);
  }

  #oneIn(n: number): boolean {
    return this.#chance.nextInt(n) === 0;
  }
}

function toIds(queues: readonly MessageQueue[]): readonly number[] {
  return queues.map(({ queueId }) => queueId);
}
