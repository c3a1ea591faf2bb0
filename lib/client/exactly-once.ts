import { AsyncResource } from "node:async_hooks";
import type { AcknowledgedPlace, Effect, SqliteDatabase } from "../broker/broker-port.js";
import type { Broker } from "../embedded-broker.js";
import type { MessageView } from "../message/message-view.js";
import { describe, invalid, kindOf } from "../options.js";
import type { MessageListener } from "./consume-result.js";
import { type DedupOptions, dedupRule, type RunningDelivery, requireDelivery, useKey } from "./dedup-options.js";
import type { Delivery } from "./delivery.js";
import type { ProcessQueue } from "./process-queue.js";

/**
 * Makes a listener whose effect on the database happens once for each key of the consumer group, whatever is redelivered, to whichever process: your rows, the key and the acknowledgement
 * are stored by one SQLite transaction, or none of them. A message whose key is done is acknowledged without calling `effect`.
 *
 * The acknowledgement is in the transaction where this is the consumer's `listener` itself, or where yours, no async function, returns what this returns. A listener that does something afterwards, and may fail
 * there, acknowledges when it has ended, as any other does: its message may come again, and the effect does not.
 *
 * Effects of one turn of the event loop share a transaction at its end, each behind a savepoint: one that throws is undone alone, and its message is retried as with any
 * listener that fails. While another process writes they wait, without blocking, for 3 s at most; then the delivery fails. `effect` may be called again
 * where SQLite rolled back what it did, so it should do nothing but use the database. A consumer whose `listener` this is has up to 500 effects in one transaction, made one after the other, whatever
 * its `consumeConcurrency`; within a listener of yours each is one of that many.
 *
 * In `effect` `producer.sendSync` commits or rolls back with it, and the message is delivered once that has committed; `producer.send` and
 * `Broker.transaction` are refused (`ERR_MQ_IN_TRANSACTION`). One that returns anything, a promise for example, is undone and fails. It must not end the transaction: SQLite cannot undo
 * what was committed; this is noticed, the delivery fails, and the other effects of the turn are stored in another transaction.
 *
 * Keys belong to the group: in a broadcasting group one of the instances has the effect, and the others acknowledge the message. With `autoCommit = false` in an orderly
 * consumer the message is not acknowledged by the transaction but by the commit that follows.
 *
 * @param broker - that of the consumer; its database is where effects are made.
 * @param options - `key`: what is to happen once; `retainMs`: for how long that is remembered.
 * @param effect - synchronous; gets the broker's database in an open transaction.
 * @returns a listener of push consumers, which can also be called within one, once for each message of a batch.
 * @throws {@link MqError} `ERR_MQ_INVALID_ARGUMENT` for a malformed argument. The listener rejects with the same for a key of another form, outside of a delivery and in
 * that of another broker; with `ERR_MQ_SYSTEM_BUSY` when the store stayed locked, or a handler of {@link idempotent} works on the key;
 * `ERR_MQ_SERVICE_NOT_AVAILABLE` (14) when the disk is full; and with what `effect` throws.
 */
export function exactlyOnce<D extends SqliteDatabase>(
  broker: Broker<D>,
  options: DedupOptions,
  effect: (message: MessageView, database: D) => undefined,
): MessageListener {
  const rule = dedupRule("exactlyOnce", broker, options);
  if (typeof effect !== "function") throw invalid(`exactlyOnce: effect must be a function, got ${describe(effect)}`);
  const make = (message: MessageView): void => {
    const result: unknown = effect(message, broker.database);
    if (result !== undefined) throw notNothing(result);
  };
  return (message) => {
    let delivery: Delivery | undefined;
    const promise = new Promise<undefined>((resolve, reject) => {
      const running = requireDelivery(rule, message);
      const key = rule.keyOf(message);
      useKey(rule, running, message, key);
      const run = (): void => make(message);
      running.dedup.run(new PendingEffect(running, { key, retainMs: rule.retainMs, run, resolve, reject }));
      delivery = running.delivery;
    });
    // Whoever returns this very promise waits for nothing else.
    if (delivery !== undefined) delivery.effect = promise;
    return promise;
  };
}

interface EffectParts {
  readonly key: string;
  readonly retainMs: number;
  readonly run: () => void;
  readonly resolve: (nothing: undefined) => void;
  readonly reject: (error: unknown) => void;
}

/** The effect of a message that is being delivered: one object, as there are many of them. */
class PendingEffect implements Effect, AcknowledgedPlace {
  readonly group: string;
  readonly key: string;
  readonly retainMs: number;
  readonly queue: ProcessQueue;
  readonly place: object;
  readonly instance: AcknowledgedPlace["instance"];
  readonly failed: (error: unknown) => void;
  readonly #delivery: Delivery;
  readonly #run: () => void;
  readonly #resolve: (nothing: undefined) => void;
  /** The transaction runs all effects of the turn; each is to find its own delivery, and what its user keeps beside that. */
  readonly #scope = new AsyncResource("pocketmq.effect");

  constructor({ delivery, cached }: RunningDelivery, { key, retainMs, run, resolve, reject }: EffectParts) {
    this.group = delivery.group;
    this.key = key;
    this.retainMs = retainMs;
    this.queue = delivery.processQueue;
    this.place = cached.place;
    this.instance = delivery.instance;
    this.failed = reject;
    this.#delivery = delivery;
    this.#run = run;
    this.#resolve = resolve;
  }

  /** Only where its listener does nothing afterwards, which may fail: what it sets before the transaction counts. */
  get acknowledged(): AcknowledgedPlace | undefined {
    return this.#delivery.isParked && this.#delivery.isAcknowledgedBySuccess ? this : undefined;
  }

  run(): void {
    this.#scope.runInAsyncScope(this.#run);
  }

  stored(): void {
    this.#resolve(undefined);
  }
}

function notNothing(result: unknown): Error {
  if (!isThenable(result)) return invalid(`exactlyOnce: effect must return nothing, got ${kindOf(result)}`);
  // Its outcome is of no interest any more: what it did so far is undone, and this error says why.
  result.then(undefined, () => undefined);
  return invalid(
    "exactlyOnce: effect must be a synchronous function, got one that returns a promise: other work would run inside the transaction",
  );
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}
