import type { Broker } from "../embedded-broker.js";
import { MqError } from "../errors.js";
import { describe, integerOption, invalid } from "../options.js";
import type { ConsumeResult, MessageListener } from "./consume-result.js";
import { type DedupOptions, dedupRule, requireDelivery, useKey } from "./dedup-options.js";
import { OrderlyDelivery } from "./orderly-delivery.js";

const DEFAULT_LEASE_MS = 60_000;

/**
 * Makes a listener for effects outside of the database, which no transaction can hold together with the acknowledgement: it runs `handler` unless its work is done, and lets one
 * handler at a time work on a key of the consumer group, over all processes on the file.
 *
 * | the key | |
 * | --- | --- |
 * | is done | the message is acknowledged, `handler` does not run |
 * | is another delivery's | the message is retried, `handler` does not run |
 * | was another delivery's, whose lease has run out: its process crashed for example | `handler` runs |
 * | is nobody's | `handler` runs |
 *
 * The key is stored as taken before `handler` runs, and as done after it was successful and before the message is acknowledged. After `"retry"`, `null` and throwing it is nobody's again.
 *
 * So an effect happens twice only where a process dies, or the store fails, between it and the end of the handler, or where a handler outlives its lease: that is not
 * renewed, and `leaseMs` should be longer than a handler ever takes. Whoever has lost a key to another delivery can neither complete nor release it. What such a handler has
 * done is done nevertheless: when it succeeds, its message is acknowledged if the other has completed the key by then, else the delivery
 * fails with `ERR_MQ_TIMEOUT`, as the other may fail yet, and is retried. A lease that has run out and was not taken over is completed as usual.
 *
 * Keys belong to the group: in a broadcasting group one of the instances runs the handler, and as nothing is retried there, one that finds it at work drops its message.
 *
 * @param broker - that of the consumer; its file keeps the keys.
 * @param options - `key`: what is to happen once; `retainMs`: for how long that is remembered; `leaseMs`: how long a handler may take, 1 ms to 24 days,
 * 60_000 by default.
 * @param handler - gets what a listener gets; its result counts as a listener's.
 * @returns a listener of push consumers, which can also be called within one, once for each message of a batch.
 * @throws {@link MqError} `ERR_MQ_INVALID_ARGUMENT` for a malformed argument. The listener rejects with the same for a key of another form, outside of a delivery and in
 * that of another broker; as `Producer.send` does where the key cannot be stored; and with what `handler` throws.
 */
export function idempotent(
  broker: Broker,
  options: DedupOptions & { readonly leaseMs?: number | undefined },
  handler: MessageListener,
): MessageListener {
  const rule = dedupRule("idempotent", broker, options, ["leaseMs"]);
  const range = { min: 1, max: 2 ** 31 - 1, fallback: DEFAULT_LEASE_MS };
  const leaseMs = integerOption("idempotent: leaseMs", options.leaseMs, range);
  if (typeof handler !== "function") throw invalid(`idempotent: handler must be a function, got ${describe(handler)}`);
  const { keyOf, retainMs } = rule;
  return async (message, context) => {
    const running = requireDelivery(rule, message);
    const { delivery, dedup } = running;
    const key = keyOf(message);
    useKey(rule, running, message, key);
    const taken = await dedup.claim({ group: delivery.group, key }, leaseMs);
    if (taken.status === "done") return undefined;
    if (taken.status === "busy") return retryOf(delivery);
    const { claim } = taken;
    let result: ConsumeResult;
    try {
      result = await handler(message, context);
    } catch (error) {
      dedup.release(claim);
      throw error;
    }
    if (!isSuccess(result)) {
      dedup.release(claim);
      return result;
    }
    const completion = await dedup.complete(claim, retainMs);
    if (completion !== "lost") return result;
    throw new MqError(
      "ERR_MQ_TIMEOUT",
      `idempotent: a handler of group ${delivery.group} outlived its lease of ${leaseMs} ms, and another delivery has its key: the message is retried`,
    );
  };
}

/** Orderly listeners have another word for it. */
function retryOf(delivery: object): ConsumeResult {
  return delivery instanceof OrderlyDelivery ? ("suspend" as "retry") : "retry";
}

/** What counts as none for one of the two kinds of listeners is not done: another word for a failure, perhaps, or a mistake. */
function isSuccess(result: unknown): boolean {
  return result !== null && (typeof result !== "string" || result === "success" || result === "commit");
}
