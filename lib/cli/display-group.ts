import type { Broker, MessageListener, PushConsumer } from "../index.js";
import type { Stopwatch } from "../time/stopwatch.js";
import { DISPLAYS } from "./demo-names.js";
import { numberInMessage } from "./late-rule.js";
import { LiveBoard } from "./live-board.js";
import { QueueReads } from "./queue-reads.js";
import type { DemoGroup } from "./quiet-groups.js";
import { RowSet } from "./row-set.js";
import { rowOf } from "./run-mark.js";

export interface DisplayGroupOptions {
  readonly topic: string;
  /** Whose largest number the boards show. */
  readonly field: string;
  readonly run: string;
  readonly stopwatch: Stopwatch;
  readonly onDelivered: () => void;
}

/** An instance of the broadcasting group, with what it got and what it shows of it. */
export class Display {
  readonly name: string;
  /** Of the messages of the run. */
  readonly board: LiveBoard = new LiveBoard();
  readonly #mq: Broker;
  readonly #consumer: PushConsumer;
  readonly #rows = new RowSet();
  readonly #reads = new Map<number, QueueReads>();
  /** Where the queues ended when it began: what lies before is the business of earlier runs. */
  readonly #begunAt = new Map<number, number>();
  #delivered = 0;
  #consumed = 0;
  #lastDeliveryMs = 0;

  constructor(mq: Broker, name: string, options: DisplayGroupOptions) {
    this.name = name;
    this.#mq = mq;
    this.#consumer = mq.pushConsumer({
      group: DISPLAYS.group,
      messageModel: "broadcasting",
      instanceName: name,
      subscriptions: { [options.topic]: "*" },
      consumeFromWhere: "first-offset",
      listener: this.#listener(options),
    });
  }

  /** Of any run. */
  get delivered(): number {
    return this.#delivered;
  }

  /** Deliveries of the run's messages, and how many different ones there were. */
  get consumed(): number {
    return this.#consumed;
  }
  get distinct(): number {
    return this.#rows.size;
  }

  get lastDeliveryMs(): number {
    return this.#lastDeliveryMs;
  }

  async start(): Promise<void> {
    await this.#consumer.start();
    for (const [queueId, maxOffset] of await this.#ends()) this.#begunAt.set(queueId, maxOffset);
  }

  /** Nobody else knows how far an instance is: its progress is no progress of the group. */
  async hasReadAll(): Promise<boolean> {
    return (await this.#ends()).every(
      ([queueId, maxOffset]) => (this.#reads.get(queueId)?.nextOffset ?? this.#begunAt.get(queueId) ?? 0) >= maxOffset,
    );
  }

  /** Whether what it got of each queue were the last messages of it, without a gap, each once. */
  async gotTheRest(): Promise<boolean> {
    return (await this.#ends()).every(([queueId, maxOffset]) => this.#reads.get(queueId)?.isRest(maxOffset) ?? true);
  }

  async #ends(): Promise<readonly (readonly [queueId: number, maxOffset: number])[]> {
    const ends: [number, number][] = [];
    for (const queue of this.#consumer.assignment) ends.push([queue.queueId, await this.#mq.admin.maxOffset(queue)]);
    return ends;
  }

  #listener({ field, run, stopwatch, onDelivered }: DisplayGroupOptions): MessageListener {
    return (message) => {
      const { queueId, queueOffset, tag } = message;
      let reads = this.#reads.get(queueId);
      if (reads === undefined) {
        reads = new QueueReads();
        this.#reads.set(queueId, reads);
      }
      reads.add(queueOffset);
      this.#delivered += 1;
      const row = rowOf(message, run);
      if (row !== undefined) {
        this.#consumed += 1;
        this.#rows.add(row);
        this.board.add(tag, numberInMessage(message, field));
      }
      this.#lastDeliveryMs = stopwatch.elapsedMs;
      onDelivered();
    };
  }
}

/** A broadcasting group: every message goes to each of its instances. */
export class DisplayGroup implements DemoGroup {
  readonly group: string = DISPLAYS.group;
  readonly displays: readonly Display[];

  constructor(mq: Broker, options: DisplayGroupOptions) {
    this.displays = DISPLAYS.instances.map((name) => new Display(mq, name, options));
  }

  get delivered(): number {
    return this.displays.reduce((sum, { delivered }) => sum + delivered, 0);
  }

  get consumed(): number {
    return this.displays.reduce((sum, { consumed }) => sum + consumed, 0);
  }

  get lastDeliveryMs(): number {
    return Math.max(...this.displays.map(({ lastDeliveryMs }) => lastDeliveryMs));
  }

  async start(): Promise<void> {
    for (const display of this.displays) await display.start();
  }

  async isAtRest(): Promise<boolean> {
    for (const display of this.displays) if (!(await display.hasReadAll())) return false;
    return true;
  }
}
