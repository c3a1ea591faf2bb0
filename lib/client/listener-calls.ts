import type { EventHub } from "../broker/broker-events.js";
import type { Logger } from "../logger.js";
import { kindOf } from "../options.js";
import { describeThrownWithStack } from "../thrown.js";
import type { Clock } from "../time/clock.js";
import { ConsumeTimeouts } from "./consume-timeouts.js";
import { type Delivery, runningDelivery } from "./delivery.js";
import type { CachedMessage } from "./process-queue.js";

/** Listener calls in one turn of the event loop; then I/O and timers have their turn. */
const CALLS_PER_TURN = 100;
/**
 * Listeners that do nothing but wait for one transaction: they are as good as ended, as their effects are made one after the other, and count for no concurrency. With 20 effects a
 * commit the sync of each takes half of the time.
 */
const MAX_PARKED = 500;

/** How a listener ended. */
export interface ListenerOutcome {
  /** What it returned, unless it threw. */
  readonly result: unknown;
  readonly hasThrown: boolean;
}

export interface ListenerCallsOptions<D extends Delivery> {
  readonly group: string;
  readonly clientId: string;
  readonly concurrency: number;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly events: EventHub;
  /** Called before each call of a listener: drops the queues that are somebody else's by now. False: not now, but when `then` is called. */
  readonly catchUp: (then: () => void) => boolean;
  /** What goes to the listener next; `undefined`: nothing. */
  readonly next: () => D | undefined;
  readonly call: (delivery: D) => unknown;
  /** The listener has its messages: about to be called. */
  readonly began: (delivery: D) => void;
  readonly ended: (delivery: D, outcome: ListenerOutcome) => void;
  readonly timedOut: (delivery: D) => void;
}

/** Calls the listener of one consumer for as long as there is something for it, at most `concurrency` at a time. */
export class ListenerCalls<D extends Delivery> {
  readonly #options: ListenerCallsOptions<D>;
  readonly #running = new Set<D>();
  readonly #timeouts: ConsumeTimeouts<D>;
  #parked = 0;
  #callsThisTurn = 0;
  #isTurnAwaited = false;
  #isPumping = false;
  #idleWaiters: (() => void)[] = [];

  constructor(options: ListenerCallsOptions<D>) {
    this.#options = options;
    const { timeoutMs, clock, timedOut } = options;
    this.#timeouts = new ConsumeTimeouts(this.#running, timeoutMs, clock, (delivery) => {
      delivery.endHold?.();
      timedOut(delivery);
    });
  }

  /** There may be something for the listener. */
  readonly pump = (): void => {
    if (this.#isPumping) return;
    this.#isPumping = true;
    try {
      while (this.#isAnyFree && this.#callsThisTurn < CALLS_PER_TURN) {
        if (!this.#options.catchUp(this.pump)) break;
        const delivery = this.#options.next();
        if (delivery === undefined) break;
        this.#deliver(delivery);
      }
    } finally {
      this.#isPumping = false;
    }
  };

  get #isAnyFree(): boolean {
    return this.#running.size - this.#parked < this.#options.concurrency && this.#parked < MAX_PARKED;
  }

  /** Resolves once no listener runs but those that wait for a close themselves. */
  async idle(): Promise<void> {
    while (![...this.#running].every(({ isExcused }) => isExcused)) {
      await new Promise<void>((resolve) => this.#idleWaiters.push(resolve));
    }
  }

  /** For {@link Delivery}s: one more, or one less, is waited for. */
  readonly wakeIdle = (): void => {
    const waiters = this.#idleWaiters;
    this.#idleWaiters = [];
    for (const resolve of waiters) resolve();
  };

  /** Tells the listeners that still run that their results count no more. */
  abort(reason: unknown): void {
    for (const delivery of this.#running) {
      delivery.endHold?.();
      delivery.abort(reason);
    }
  }

  /** Those that still run may do so for ever: nobody looks after them any more. */
  close(): void {
    this.#timeouts.stop();
    for (const delivery of this.#running) delivery.endHold?.();
  }

  #deliver(delivery: D): void {
    this.#callsThisTurn += 1;
    this.#awaitTurn();
    this.#running.add(delivery);
    this.#timeouts.began(delivery);
    this.#options.began(delivery);
    if (this.#options.events.isHeard("message:delivered")) this.#tellDelivered(delivery);
    let result: unknown;
    try {
      result = runningDelivery.run(delivery, this.#options.call, delivery);
    } catch (error) {
      this.#threw(delivery, error);
      return;
    }
    if (isObject(result)) {
      if (result === delivery.effect) {
        delivery.isParked = true;
        this.#parked += 1;
        this.#callsThisTurn -= 1;
      }
      delivery.endHold = this.#options.clock.hold?.(() => describeDelivery(delivery), delivery);
      // Settles once, whatever a promise of somebody else's make does.
      Promise.resolve(result).then(
        (settled) => this.#ended(delivery, { result: settled, hasThrown: false }),
        (error: unknown) => this.#threw(delivery, error),
      );
    } else {
      this.#ended(delivery, { result, hasThrown: false });
    }
  }

  #threw(delivery: D, error: unknown): void {
    const { queueId, topic } = delivery.messageQueue;
    const queueOffset = delivery.batch[0]?.message.queueOffset;
    this.#options.logger.warn(`a listener of group ${delivery.group} failed: ${describeThrownWithStack(error)}`, {
      topic,
      queueId,
      queueOffset,
    });
    this.#ended(delivery, { result: undefined, hasThrown: true });
  }

  #ended(delivery: D, outcome: ListenerOutcome): void {
    this.#running.delete(delivery);
    if (delivery.isParked) this.#parked -= 1;
    delivery.endHold?.();
    this.#options.ended(delivery, outcome);
    this.wakeIdle();
    this.pump();
  }

  /** For {@link ListenerCallsOptions.ended}: the group is done with these messages, and a listener was successful. */
  tellConsumed({ startedAt, group, clientId }: D, messages: readonly CachedMessage[]): void {
    const { events, clock } = this.#options;
    if (!events.isHeard("message:consumed")) return;
    const costMs = clock.now() - startedAt;
    for (const { message } of messages) {
      const { messageId, topic } = message;
      events.emit("message:consumed", { messageId, topic, group, clientId, costMs });
    }
  }

  /** For {@link ListenerCallsOptions.ended}: a result that is none. */
  reportResult(group: string, result: unknown, known: string): void {
    this.#options.logger.error(
      `a listener of group ${group} returned ${kindOf(result)} that is ${known}, which counts as a failure`,
    );
  }

  #tellDelivered({ batch, group, clientId }: D): void {
    for (const { message } of batch) {
      const { messageId, topic, deliveryAttempt } = message;
      this.#options.events.emit("message:delivered", { messageId, topic, group, clientId, deliveryAttempt });
    }
  }

  #awaitTurn(): void {
    if (this.#isTurnAwaited) return;
    this.#isTurnAwaited = true;
    this.#options.clock.turn(() => {
      this.#isTurnAwaited = false;
      this.#callsThisTurn = 0;
      this.pump();
    });
  }
}

function describeDelivery({ group, clientId, batch }: Delivery): string {
  const [first] = batch as readonly [CachedMessage, ...CachedMessage[]];
  const { messageId, topic, keys, deliveryAttempt } = first.message;
  const more = batch.length === 1 ? "" : ` and ${batch.length - 1} more`;
  const named = keys.length === 0 ? "" : `, keys ${keys.join(" ")}`;
  return `a listener of group ${group} (client ${clientId}) with message ${messageId} (${topic}${named}, attempt ${deliveryAttempt})${more}`;
}

function isObject(value: unknown): boolean {
  return (typeof value === "object" && value !== null) || typeof value === "function";
}
