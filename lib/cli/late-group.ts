import { type Broker, ConsumeResult, type MessageListener, type PushConsumer } from "../index.js";
import type { Stopwatch } from "../time/stopwatch.js";
import { AttemptLog } from "./attempt-log.js";
import { LATE } from "./demo-names.js";
import { isLate, type LateRule, numberInMessage } from "./late-rule.js";
import type { DemoGroup } from "./quiet-groups.js";
import type { RowSet } from "./row-set.js";
import { rowOf } from "./run-mark.js";

export interface LateGroupOptions {
  readonly topic: string;
  readonly rule: LateRule;
  /** Of the run: those that shall fail. What fails is decided by the message, not by this. */
  readonly lateRows: RowSet;
  readonly run: string;
  readonly stopwatch: Stopwatch;
  readonly onDelivered: () => void;
}

/** A clustering group whose listener fails on each late record, each time. */
export class LateGroup implements DemoGroup {
  readonly group: string = LATE.group;
  /** Deliveries of the run's messages. */
  readonly attempts: AttemptLog;
  readonly #mq: Broker;
  readonly #consumers: readonly PushConsumer[];
  /** Messages whose copies are stored and not due yet. */
  readonly #waiting = new Set<string>();
  #delivered = 0;
  #firstDelivered = 0;
  #fromEarlierRuns = 0;
  #lastDeliveryMs = 0;

  constructor(mq: Broker, options: LateGroupOptions) {
    this.#mq = mq;
    this.attempts = new AttemptLog(options.lateRows, LATE.maxReconsumeTimes);
    mq.on("message:retried", ({ group, messageId }) => {
      if (group === this.group) this.#waiting.add(messageId);
    });
    const listener = this.#listener(options);
    this.#consumers = LATE.members.map((instanceName) =>
      mq.pushConsumer({
        group: this.group,
        instanceName,
        subscriptions: { [options.topic]: "*" },
        consumeFromWhere: "first-offset",
        maxReconsumeTimes: LATE.maxReconsumeTimes,
        listener,
      }),
    );
  }

  get delivered(): number {
    return this.#delivered;
  }

  /** Deliveries of any run that were not retries. */
  get firstDelivered(): number {
    return this.#firstDelivered;
  }

  get consumed(): number {
    return this.attempts.first.total;
  }

  get fromEarlierRuns(): number {
    return this.#fromEarlierRuns;
  }

  /** Retries have times of their own. */
  get lastDeliveryMs(): number {
    return this.#lastDeliveryMs;
  }

  /** Messages that wait for their retry. */
  get waiting(): number {
    return this.#waiting.size;
  }

  async start(): Promise<void> {
    for (const consumer of this.#consumers) await consumer.start();
  }

  /** What waits for its retry lies in no queue: no lag counts it. */
  async isAtRest(): Promise<boolean> {
    const { lag } = await this.#mq.admin.consumeStats(this.group);
    return lag === 0 && this.#waiting.size === 0;
  }

  #listener({ rule, run, stopwatch, onDelivered }: LateGroupOptions): MessageListener {
    return (message, context) => {
      const { messageId, tag, reconsumeTimes } = message;
      this.#waiting.delete(messageId);
      this.#delivered += 1;
      const row = rowOf(message, run);
      if (row === undefined) this.#fromEarlierRuns += 1;
      else this.attempts.add({ row, tag, bytes: message.body.length, reconsumeTimes });
      if (reconsumeTimes === 0) {
        this.#firstDelivered += 1;
        this.#lastDeliveryMs = stopwatch.elapsedMs;
      }
      onDelivered();
      if (!isLate(numberInMessage(message, rule.field), rule)) return ConsumeResult.SUCCESS;
      context.delayLevelWhenNextConsume = LATE.delayLevel;
      return ConsumeResult.RETRY;
    };
  }
}
