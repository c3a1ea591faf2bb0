import type { EventHub } from "../broker/broker-events.js";
import { MqError } from "../errors.js";
import type { Logger } from "../logger.js";
import { kindOf } from "../options.js";
import { describeThrownWithStack } from "../thrown.js";
import type { Clock } from "../time/clock.js";
import type { BatchListener, ConsumeResult, MessageListener } from "./consume-result.js";
import { ConsumeTimeouts } from "./consume-timeouts.js";
import { Delivery, runningDelivery } from "./delivery.js";
import type { FailedMessages } from "./failed-messages.js";
import type { CachedMessage, ProcessQueue } from "./process-queue.js";

/** What ran out of time is retried after 10 s. Source: RocketMQ, `ProcessQueue.java`, `cleanExpiredMsg`. */
const TIMED_OUT_LEVEL = 3;
/** Listener calls in one turn of the event loop; then I/O and timers have their turn. */
const CALLS_PER_TURN = 100;

export interface ConsumeServiceOptions {
  readonly group: string;
  readonly clientId: string;
  readonly listener: MessageListener | undefined;
  readonly batchListener: BatchListener | undefined;
  readonly concurrency: number;
  readonly batchMaxSize: number;
  readonly timeoutMs: number;
  readonly failures: FailedMessages;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly events: EventHub;
  /** Called before each call of a listener: drops the queues that are somebody else's by now. False: not now, but when `then` is called. */
  readonly catchUp: (then: () => void) => boolean;
  /** Messages of this queue went to a listener: it may be time to pull more. */
  readonly onDelivered: (processQueue: ProcessQueue) => void;
  readonly acknowledge: (processQueue: ProcessQueue, messages: readonly CachedMessage[]) => void;
}

/**
 * Calls the listener, at most `concurrency` at a time, and acts on what it returns.
 *
 * Source: RocketMQ, `client/.../impl/consumer/ConsumeMessageConcurrentlyService.java`.
 */
export class ConsumeService {
  readonly #options: ConsumeServiceOptions;
  #ready: ReadyRun[] = [];
  readonly #running = new Set<Delivery>();
  readonly #timeouts: ConsumeTimeouts;
  #callsThisTurn = 0;
  #isTurnAwaited = false;
  #isPumping = false;
  #isStopped = false;
  #idleWaiters: (() => void)[] = [];

  constructor(options: ConsumeServiceOptions) {
    this.#options = options;
    const { timeoutMs, clock } = options;
    this.#timeouts = new ConsumeTimeouts(this.#running, timeoutMs, clock, (delivery) => this.#timedOut(delivery));
  }

  submit(processQueue: ProcessQueue, messages: readonly CachedMessage[]): void {
    if (this.#isStopped) return;
    this.#ready.push({ processQueue, messages, next: 0 });
    processQueue.addWaiting(messages.length);
    this.#pump();
  }

  /** No listener is called any more. */
  stop(): void {
    this.#isStopped = true;
    this.#ready = [];
    this.#options.failures.stop();
  }

  /** Resolves once no listener runs but those that wait for a close themselves. */
  async idle(): Promise<void> {
    while (![...this.#running].every(({ isExcused }) => isExcused)) {
      await new Promise<void>((resolve) => this.#idleWaiters.push(resolve));
    }
  }

  /** Tells the listeners that still run that their results count no more. */
  abort(reason: unknown): void {
    for (const delivery of this.#running) delivery.abort(reason);
  }

  /** After {@link ConsumeService.stop}: those that still run may do so for ever. */
  close(): void {
    this.#timeouts.stop();
  }

  readonly #onCaughtUp = (): void => this.#pump();

  #pump(): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    try {
      while (this.#running.size < this.#options.concurrency && this.#callsThisTurn < CALLS_PER_TURN) {
        if (!this.#options.catchUp(this.#onCaughtUp)) break;
        const delivery = this.#nextDelivery();
        if (delivery === undefined) break;
        this.#deliver(delivery);
      }
    } finally {
      this.#isPumping = false;
    }
  }

  /** Made when it is due: thousands of messages may be waiting. */
  #nextDelivery(): Delivery | undefined {
    const { group, clientId, batchMaxSize, clock } = this.#options;
    for (let run = this.#ready[0]; run !== undefined; run = this.#ready[0]) {
      const { processQueue, messages, next } = run;
      run.next += batchMaxSize;
      if (run.next >= messages.length || processQueue.isDropped) this.#ready.shift();
      if (processQueue.isDropped) continue;
      const batch = messages.slice(next, next + batchMaxSize);
      processQueue.addWaiting(-batch.length);
      return new Delivery(group, clientId, processQueue, batch, clock.now(), this.#wakeIdle);
    }
    return undefined;
  }

  #deliver(delivery: Delivery): void {
    this.#callsThisTurn += 1;
    this.#awaitTurn();
    this.#running.add(delivery);
    this.#timeouts.began(delivery);
    this.#options.onDelivered(delivery.processQueue);
    for (const { message } of delivery.batch) message.markConsumeStart(delivery.startedAt);
    if (this.#options.events.isHeard("message:delivered")) this.#tellDelivered(delivery);
    let result: unknown;
    try {
      result = runningDelivery.run(delivery, this.#call, delivery);
    } catch (error) {
      this.#failed(delivery, error);
      return;
    }
    if (isObject(result)) {
      // Settles once, whatever a promise of somebody else's make does.
      Promise.resolve(result).then(
        (settled) => this.#returned(delivery, settled),
        (error: unknown) => this.#failed(delivery, error),
      );
    } else {
      this.#returned(delivery, result);
    }
  }

  readonly #call = (delivery: Delivery): ConsumeResult | Promise<ConsumeResult> => {
    const { listener, batchListener } = this.#options;
    if (listener !== undefined) return listener((delivery.batch[0] as CachedMessage).message, delivery);
    return batchListener?.(
      delivery.batch.map(({ message }) => message),
      delivery,
    );
  };

  /** `null` is what RocketMQ's listeners return by mistake; it retries then. */
  #returned(delivery: Delivery, result: unknown): void {
    if (typeof result === "string" && result !== "success" && result !== "retry") {
      this.#options.logger.error(
        `a listener of group ${delivery.group} returned ${kindOf(result)} that is neither "success" nor "retry", which counts as a failure`,
      );
    }
    const isSuccess = result !== null && (typeof result !== "string" || result === "success");
    this.#finish(delivery, isSuccess ? delivery.acknowledged : 0);
  }

  #failed(delivery: Delivery, error: unknown): void {
    const { queueId, topic } = delivery.messageQueue;
    const queueOffset = delivery.batch[0]?.message.queueOffset;
    this.#options.logger.warn(`a listener of group ${delivery.group} failed: ${describeThrownWithStack(error)}`, {
      topic,
      queueId,
      queueOffset,
    });
    this.#finish(delivery, 0);
  }

  /** The listener goes on, as nobody can stop it; its messages are somebody else's from now on. */
  #timedOut(delivery: Delivery): void {
    const { group, timeoutMs, logger, failures } = this.#options;
    const { topic, queueId } = delivery.messageQueue;
    const because = `a listener of group ${group} did not end within ${timeoutMs} ms`;
    logger.warn(`${because}, which counts as a failure`, { topic, queueId });
    delivery.hasTimedOut = true;
    delivery.abort(new MqError("ERR_MQ_TIMEOUT", because));
    const { processQueue, batch } = delivery;
    if (!processQueue.isDropped) failures.failed(processQueue, batch, TIMED_OUT_LEVEL);
  }

  #finish(delivery: Delivery, acknowledged: number): void {
    this.#running.delete(delivery);
    const { processQueue, batch } = delivery;
    if (!processQueue.isDropped && !delivery.hasTimedOut) {
      const consumed = acknowledged === batch.length ? batch : batch.slice(0, acknowledged);
      if (consumed.length > 0) this.#consumed(delivery, consumed);
      if (acknowledged < batch.length)
        this.#options.failures.failed(processQueue, batch.slice(acknowledged), this.#delayLevelOf(delivery));
    }
    this.#wakeIdle();
    this.#pump();
  }

  #consumed({ processQueue, startedAt, group }: Delivery, messages: readonly CachedMessage[]): void {
    const { acknowledge, events, clock } = this.#options;
    acknowledge(processQueue, messages);
    if (!events.isHeard("message:consumed")) return;
    const costMs = clock.now() - startedAt;
    for (const { message } of messages) {
      const { messageId, topic } = message;
      events.emit("message:consumed", { messageId, topic, group, costMs });
    }
  }

  #tellDelivered({ batch, group, clientId }: Delivery): void {
    for (const { message } of batch) {
      const { messageId, topic, deliveryAttempt } = message;
      this.#options.events.emit("message:delivered", { messageId, topic, group, clientId, deliveryAttempt });
    }
  }

  #delayLevelOf({ delayLevelWhenNextConsume: level, group }: Delivery): number {
    if (Number.isInteger(level)) return level;
    const given = typeof level === "number" ? String(level) : kindOf(level);
    this.#options.logger.error(
      `a listener of group ${group} set delayLevelWhenNextConsume to ${given}, which is no integer; 0 is taken`,
    );
    return 0;
  }

  readonly #wakeIdle = (): void => {
    const waiters = this.#idleWaiters;
    this.#idleWaiters = [];
    for (const resolve of waiters) resolve();
  };

  #awaitTurn(): void {
    if (this.#isTurnAwaited) return;
    this.#isTurnAwaited = true;
    this.#options.clock.turn(() => {
      this.#isTurnAwaited = false;
      this.#callsThisTurn = 0;
      this.#pump();
    });
  }
}

/** Messages of one pull, of which those before `next` went to the listener. */
interface ReadyRun {
  readonly processQueue: ProcessQueue;
  readonly messages: readonly CachedMessage[];
  next: number;
}

function isObject(value: unknown): boolean {
  return (typeof value === "object" && value !== null) || typeof value === "function";
}
