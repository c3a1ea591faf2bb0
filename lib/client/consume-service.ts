import type { Logger } from "../logger.js";
import { describeThrownWithStack } from "../thrown.js";
import type { Clock, ClockTimer } from "../time/clock.js";
import type { BatchListener, ConsumeResult, MessageListener } from "./consume-result.js";
import { Delivery, runningDelivery } from "./delivery.js";
import type { CachedMessage, ProcessQueue } from "./process-queue.js";

/** A failed message is delivered again after this time. Source: RocketMQ, `ConsumeMessageConcurrentlyService.java`, `submitConsumeRequestLater`. */
const LOCAL_RETRY_MS = 5_000;
/** Listener calls in one turn of the event loop; then I/O and timers have their turn. */
const CALLS_PER_TURN = 100;

export interface ConsumeServiceOptions {
  readonly group: string;
  readonly clientId: string;
  readonly listener: MessageListener | undefined;
  readonly batchListener: BatchListener | undefined;
  readonly concurrency: number;
  readonly batchMaxSize: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Messages of this queue went to a listener: it may be time to pull more. */
  readonly onDelivered: (processQueue: ProcessQueue) => void;
  /** Messages of this queue were acknowledged: its offset moved, and there may be room in it. */
  readonly onAcknowledged: (processQueue: ProcessQueue) => void;
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
  readonly #retries = new Map<ProcessQueue, Set<ClockTimer>>();
  #callsThisTurn = 0;
  #isTurnAwaited = false;
  #isPumping = false;
  #isStopped = false;
  #idleWaiters: (() => void)[] = [];

  constructor(options: ConsumeServiceOptions) {
    this.#options = options;
  }

  submit(processQueue: ProcessQueue, messages: readonly CachedMessage[]): void {
    if (this.#isStopped) return;
    this.#ready.push({ processQueue, messages, next: 0 });
    processQueue.addWaiting(messages.length);
    this.#pump();
  }

  /** The queue was dropped: what waits for its retry is forgotten. */
  forget(processQueue: ProcessQueue): void {
    for (const timer of this.#retries.get(processQueue) ?? []) timer.cancel();
    this.#retries.delete(processQueue);
  }

  /** No listener is called any more. */
  stop(): void {
    this.#isStopped = true;
    this.#ready = [];
    for (const processQueue of [...this.#retries.keys()]) this.forget(processQueue);
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

  #pump(): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    try {
      while (this.#running.size < this.#options.concurrency && this.#callsThisTurn < CALLS_PER_TURN) {
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
    const { group, clientId, batchMaxSize } = this.#options;
    for (let run = this.#ready[0]; run !== undefined; run = this.#ready[0]) {
      const { processQueue, messages, next } = run;
      run.next += batchMaxSize;
      if (run.next >= messages.length || processQueue.isDropped) this.#ready.shift();
      if (processQueue.isDropped) continue;
      const batch = messages.slice(next, next + batchMaxSize);
      processQueue.addWaiting(-batch.length);
      return new Delivery(group, clientId, processQueue, batch, this.#wakeIdle);
    }
    return undefined;
  }

  #deliver(delivery: Delivery): void {
    this.#callsThisTurn += 1;
    this.#awaitTurn();
    this.#running.add(delivery);
    this.#options.onDelivered(delivery.processQueue);
    const now = this.#options.clock.now();
    for (const { message } of delivery.batch) message.markConsumeStart(now);
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
        `a listener of group ${delivery.group} returned neither "success" nor "retry"; its messages are retried`,
        { result },
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

  #finish(delivery: Delivery, acknowledged: number): void {
    this.#running.delete(delivery);
    const { processQueue, batch } = delivery;
    if (!processQueue.isDropped) {
      for (let index = 0; index < acknowledged; index += 1) processQueue.acknowledge(batch[index] as CachedMessage);
      if (acknowledged < batch.length) this.#retryLater(processQueue, batch.slice(acknowledged));
      if (acknowledged > 0) this.#options.onAcknowledged(processQueue);
    }
    this.#wakeIdle();
    this.#pump();
  }

  readonly #wakeIdle = (): void => {
    const waiters = this.#idleWaiters;
    this.#idleWaiters = [];
    for (const resolve of waiters) resolve();
  };

  /** They stay unacknowledged, so that a crash brings them again too. */
  #retryLater(processQueue: ProcessQueue, failed: readonly CachedMessage[]): void {
    for (const { message } of failed) message.countLocalFailure();
    if (this.#isStopped) return;
    const timers = this.#retries.get(processQueue) ?? new Set();
    this.#retries.set(processQueue, timers);
    const timer = this.#options.clock.at(this.#options.clock.now() + LOCAL_RETRY_MS, () => {
      timers.delete(timer);
      this.submit(processQueue, failed);
    });
    timers.add(timer);
  }

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
