import { MqError } from "../errors.js";
import { type MessageQueue, queueKeyOf } from "../message/message-queue.js";
import { describe } from "../options.js";
import type { OrderlyBatchListener, OrderlyListener, OrderlyResult } from "./consume-result.js";
import type { ConsumeService, ConsumeServiceOptions } from "./consume-service.js";
import { ListenerCalls, type ListenerOutcome } from "./listener-calls.js";
import type { MemberLocks } from "./member-locks.js";
import { OrderlyDelivery } from "./orderly-delivery.js";
import type { OrderlyFailures } from "./orderly-failures.js";
import { OrderlyLane } from "./orderly-lane.js";
import type { CachedMessage, ProcessQueue } from "./process-queue.js";

export interface OrderlyConsumeServiceOptions extends ConsumeServiceOptions {
  readonly listener: OrderlyListener | undefined;
  readonly batchListener: OrderlyBatchListener | undefined;
  readonly suspendCurrentQueueTimeMs: number;
  readonly failures: OrderlyFailures;
  /** Absent in a broadcasting group, whose members share nothing. */
  readonly locks: MemberLocks | undefined;
  /** The queue is another member's: everything of it is to be dropped. */
  readonly onLockLost: (queue: MessageQueue) => void;
}

/** A queue is suspended for at least and at most so long. Source: RocketMQ, `ConsumeMessageOrderlyService.java`, `submitConsumeRequestLater`. */
const MIN_SUSPEND_MS = 10;
const MAX_SUSPEND_MS = 30_000;

/**
 * Calls the listener with the messages of each queue in the order of their offsets: a queue waits until the listener has done with what it got of it, while
 * other queues go on.
 *
 * ```
 * idle ──submit──▶ ready ──a listener is free──▶ running ──success──▶ ready or idle
 *                    ▲                              ├──failure──▶ suspended ──after a while──▶ ready
 *                    │                              └──last attempt──▶ burying ──▶ ready or idle
 * ```
 * Source: RocketMQ, `client/.../impl/consumer/ConsumeMessageOrderlyService.java`.
 */
export class OrderlyConsumeService implements ConsumeService {
  readonly #options: OrderlyConsumeServiceOptions;
  readonly #calls: ListenerCalls<OrderlyDelivery>;
  readonly #lanes = new Map<ProcessQueue, OrderlyLane>();
  /** Those that may go on when a listener is free, the one that waits longest first. */
  readonly #ready: OrderlyLane[] = [];
  /** Queues of which a listener has messages, also when they were dropped since, and taken again. */
  readonly #busy = new Map<string, OrderlyLane>();
  #isStopped = false;

  constructor(options: OrderlyConsumeServiceOptions) {
    this.#options = options;
    this.#calls = new ListenerCalls({
      ...options,
      next: () => this.#nextDelivery(),
      call: this.#call,
      began: ({ processQueue }) => options.onDelivered(processQueue),
      ended: (delivery, outcome) => this.#ended(delivery, outcome),
      timedOut: (delivery) => this.#timedOut(delivery),
    });
  }

  submit(processQueue: ProcessQueue, messages: readonly CachedMessage[]): void {
    if (this.#isStopped) return;
    let lane = this.#lanes.get(processQueue);
    if (lane === undefined) {
      lane = new OrderlyLane(processQueue);
      this.#lanes.set(processQueue, lane);
    }
    lane.put(messages);
    this.#goOn(lane);
  }

  mayTake(queue: MessageQueue): boolean {
    return this.#options.locks?.acquire(queue) !== false;
  }

  /** The queue is unlocked, unless a listener still works on what it got of it: then as soon as that ends. */
  forget(processQueue: ProcessQueue): void {
    const { locks, failures } = this.#options;
    const { messageQueue } = processQueue;
    const lane = this.#lanes.get(processQueue);
    this.#lanes.delete(processQueue);
    lane?.suspended?.cancel();
    if (lane !== undefined) failures.forget(lane);
    if (this.#busy.has(keyOf(messageQueue))) locks?.leave(messageQueue);
    else locks?.release(messageQueue);
  }

  stop(): void {
    this.#isStopped = true;
    for (const { suspended } of this.#lanes.values()) suspended?.cancel();
  }

  async idle(): Promise<void> {
    await this.#calls.idle();
    await this.#options.failures.idle();
  }

  abort(reason: unknown): void {
    this.#calls.abort(reason);
  }

  close(): void {
    this.#calls.close();
    this.#options.locks?.close();
  }

  #goOn(lane: OrderlyLane): void {
    if (!lane.isReady && lane.hasWaiting) {
      lane.isReady = true;
      this.#ready.push(lane);
    }
    this.#calls.pump();
  }

  #nextDelivery(): OrderlyDelivery | undefined {
    const { batchMaxSize, clock, suspendCurrentQueueTimeMs } = this.#options;
    for (let lane = this.#ready.shift(); lane !== undefined; lane = this.#ready.shift()) {
      lane.isReady = false;
      const { processQueue } = lane;
      const key = keyOf(processQueue.messageQueue);
      // Whatever keeps a lane from going on makes it ready when it ends.
      if (this.#isStopped || processQueue.isDropped || lane.suspended !== undefined || this.#busy.has(key)) continue;
      if (!this.mayTake(processQueue.messageQueue)) {
        this.#options.onLockLost(processQueue.messageQueue);
        continue;
      }
      this.#busy.set(key, lane);
      const batch = lane.take(batchMaxSize);
      const { wakeIdle } = this.#calls;
      return new OrderlyDelivery(this.#options, lane, batch, clock.now(), suspendCurrentQueueTimeMs, wakeIdle);
    }
    return undefined;
  }

  readonly #call = (delivery: OrderlyDelivery): OrderlyResult | Promise<OrderlyResult> => {
    const { listener, batchListener } = this.#options;
    if (listener !== undefined) return listener((delivery.batch[0] as CachedMessage).message, delivery);
    return batchListener?.(
      delivery.batch.map(({ message }) => message),
      delivery,
    );
  };

  /** The queue stays with the listener, whose result still counts: whoever went on without it would break the order. */
  #timedOut(delivery: OrderlyDelivery): void {
    const { group, timeoutMs, logger } = this.#options;
    const { topic, queueId } = delivery.messageQueue;
    const because = `a listener of group ${group} did not end within ${timeoutMs} ms`;
    logger.warn(`${because}; its message queue waits for it`, { topic, queueId });
    delivery.hasTimedOut = true;
    delivery.abort(new MqError("ERR_MQ_TIMEOUT", because));
  }

  #ended(delivery: OrderlyDelivery, { result, hasThrown }: ListenerOutcome): void {
    const { lane, processQueue } = delivery;
    // What somebody says who had the queue before counts no more.
    if (!processQueue.isDropped && !this.mayTake(processQueue.messageQueue))
      this.#options.onLockLost(processQueue.messageQueue);
    if (processQueue.isDropped) {
      this.#free(lane);
      return;
    }
    switch (hasThrown ? "suspend" : this.#outcomeOf(delivery, result)) {
      case "commit":
        this.#commit(delivery);
        break;
      case "rollback":
        this.#rollback(delivery);
        break;
      case "suspend":
        this.#fail(delivery);
        break;
      default:
        this.#free(lane);
    }
  }

  /** What its result means, which depends on `autoCommit`. `null` is what RocketMQ's listeners return by mistake; it suspends then. */
  #outcomeOf({ autoCommit, group }: OrderlyDelivery, result: unknown): "commit" | "rollback" | "suspend" | "keep" {
    if (result === null) return "suspend";
    if (result === "suspend") return "suspend";
    if (result === "commit" || result === "rollback") {
      if (autoCommit === false) return result;
      this.#options.logger.warn(
        `a listener of group ${group} returned "${result}" while autoCommit is true; it counts as "success"`,
      );
      return "commit";
    }
    if (typeof result === "string" && result !== "success") {
      this.#calls.reportResult(group, result, 'none of "success", "suspend", "commit" and "rollback"');
      return "suspend";
    }
    return autoCommit === false ? "keep" : "commit";
  }

  #commit(delivery: OrderlyDelivery): void {
    const { lane, processQueue } = delivery;
    const committed = lane.commit();
    if (committed.length > 0) {
      this.#options.acknowledge(processQueue, committed);
      this.#calls.tellConsumed(delivery, committed);
    }
    this.#free(lane);
  }

  /** Those that have used up their attempts are buried; with the others the queue waits. */
  #fail(delivery: OrderlyDelivery): void {
    const { failures, acknowledge } = this.#options;
    const { lane, processQueue, batch, autoCommit } = delivery;
    const suspend = (messages: readonly CachedMessage[]): void => {
      const afterMs = this.#suspendMsOf(delivery);
      failures.count(delivery, messages, afterMs);
      lane.putBack(messages);
      this.#suspend(lane, afterMs);
    };
    const exhausted = batch.filter(({ message }) => failures.isExhausted(message));
    if (exhausted.length === 0) {
      suspend(batch);
      return;
    }
    const others = batch.filter((message) => !exhausted.includes(message));
    const unlessDropped = (then: () => void): void => (processQueue.isDropped ? this.#free(lane) : then());
    failures.bury(lane, exhausted, {
      buried: () =>
        unlessDropped(() => {
          lane.remove(exhausted);
          acknowledge(processQueue, exhausted);
          if (others.length > 0) suspend(others);
          else if (autoCommit === false) this.#free(lane);
          else this.#commit(delivery);
        }),
      failed: () => unlessDropped(() => suspend(batch)),
      forgotten: () => this.#free(lane),
    });
  }

  #rollback(delivery: OrderlyDelivery): void {
    const { lane } = delivery;
    const afterMs = this.#suspendMsOf(delivery);
    this.#options.failures.putOff(delivery, lane.rollback(), afterMs);
    this.#suspend(lane, afterMs);
  }

  #suspend(lane: OrderlyLane, ms: number): void {
    const { clock } = this.#options;
    if (!this.#isStopped) {
      lane.suspended = clock.at(clock.now() + ms, () => {
        lane.suspended = undefined;
        this.#goOn(lane);
      });
    }
    this.#free(lane);
  }

  /** No listener has messages of the lane's queue any more. */
  #free(lane: OrderlyLane): void {
    const { messageQueue, isDropped } = lane.processQueue;
    const key = keyOf(messageQueue);
    this.#busy.delete(key);
    if (!isDropped) {
      this.#goOn(lane);
      return;
    }
    this.#options.locks?.leftEnded(messageQueue);
    for (const successor of this.#lanes.values())
      if (keyOf(successor.processQueue.messageQueue) === key) this.#goOn(successor);
  }

  /** -1 is RocketMQ's word for the consumer's own. */
  #suspendMsOf({ suspendCurrentQueueTimeMs: ms, group }: OrderlyDelivery): number {
    const { suspendCurrentQueueTimeMs: usual, logger } = this.#options;
    let chosen = ms === -1 ? usual : ms;
    if (typeof chosen !== "number" || Number.isNaN(chosen)) {
      logger.error(
        `a listener of group ${group} set suspendCurrentQueueTimeMs to ${describe(chosen)}, which is no number; ${usual} is taken`,
      );
      chosen = usual;
    }
    return Math.max(MIN_SUSPEND_MS, Math.min(MAX_SUSPEND_MS, chosen));
  }
}

function keyOf({ topic, queueId }: MessageQueue): string {
  return queueKeyOf(topic, queueId);
}
