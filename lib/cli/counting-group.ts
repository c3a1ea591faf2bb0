import type { Broker, MessageListener, PushConsumer } from "../index.js";
import type { Stopwatch } from "../time/stopwatch.js";
import type { DemoGroup } from "./quiet-groups.js";
import { RowSet } from "./row-set.js";
import { rowOf } from "./run-mark.js";
import { TagCounts } from "./tag-counts.js";

export interface CountingGroupOptions {
  readonly group: string;
  readonly topic: string;
  /** The tag expression. */
  readonly expression: string;
  /** One push consumer each. */
  readonly memberNames: readonly string[];
  /** Whose messages are counted; those of others only as such. */
  readonly run: string;
  readonly stopwatch: Stopwatch;
  readonly onDelivered: () => void;
}

/** What one member got. */
export interface MemberShare {
  readonly name: string;
  readonly messages: number;
  readonly queueIds: readonly number[];
}

interface Member {
  readonly name: string;
  readonly consumer: PushConsumer;
  readonly queueIds: Set<number>;
  messages: number;
}

/** A clustering group whose members count what they get. */
export class CountingGroup implements DemoGroup {
  readonly group: string;
  readonly expression: string;
  /** Messages of the run, each delivery counted. */
  readonly counts: TagCounts = new TagCounts();
  readonly #mq: Broker;
  readonly #options: CountingGroupOptions;
  readonly #members: readonly Member[];
  readonly #rows = new RowSet();
  #delivered = 0;
  #lastDeliveryMs = 0;

  constructor(mq: Broker, options: CountingGroupOptions) {
    this.group = options.group;
    this.expression = options.expression;
    this.#mq = mq;
    this.#options = options;
    this.#members = options.memberNames.map((name) => this.#join(mq, name));
  }

  /** Deliveries of any run. */
  get delivered(): number {
    return this.#delivered;
  }

  get consumed(): number {
    return this.counts.total;
  }

  get fromEarlierRuns(): number {
    return this.#delivered - this.counts.total;
  }

  /** Different messages of the run. */
  get distinct(): number {
    return this.#rows.size;
  }

  get lastDeliveryMs(): number {
    return this.#lastDeliveryMs;
  }

  get shares(): readonly MemberShare[] {
    return this.#members.map(({ name, messages, queueIds }) => ({
      name,
      messages,
      queueIds: [...queueIds].sort((a, b) => a - b),
    }));
  }

  async start(): Promise<void> {
    for (const { consumer } of this.#members) await consumer.start();
  }

  async isAtRest(): Promise<boolean> {
    return (await this.#mq.admin.consumeStats(this.group)).lag === 0;
  }

  #join(mq: Broker, name: string): Member {
    const { group, topic, expression, run, stopwatch, onDelivered } = this.#options;
    const listener: MessageListener = (message) => {
      member.messages += 1;
      member.queueIds.add(message.queueId);
      this.#delivered += 1;
      const row = rowOf(message, run);
      if (row !== undefined) {
        this.counts.add(message.tag, message.body.length);
        this.#rows.add(row);
      }
      this.#lastDeliveryMs = stopwatch.elapsedMs;
      onDelivered();
    };
    // Whoever looks first into a store gets what is there already.
    const consumer = mq.pushConsumer({
      group,
      instanceName: name,
      subscriptions: { [topic]: expression },
      consumeFromWhere: "first-offset",
      listener,
    });
    const member: Member = { name, consumer, queueIds: new Set(), messages: 0 };
    return member;
  }
}
