import type { DedupPort, SqliteDatabase } from "../broker/broker-port.js";
import type { Broker } from "../embedded-broker.js";
import type { MessageView } from "../message/message-view.js";
import { utf8Size } from "../message/utf8-size.js";
import { describe, integerOption, invalid, kindOf, refuseUnknownOptions } from "../options.js";
import { type Delivery, runningDelivery } from "./delivery.js";
import type { CachedMessage } from "./process-queue.js";

/** What {@link exactlyOnce} and {@link idempotent} have in common. */
export interface DedupOptions {
  /**
   * Names what is to happen once: messages of a group with the same key are one. Called for each delivery; a text of 1 to 255 bytes of UTF-8. Where it returns another
   * or throws, the delivery fails and is retried. @defaultValue the `messageId`, which is the same at each redelivery
   */
  readonly key?: ((message: MessageView) => string) | undefined;
  /**
   * For how long a key that was done is remembered: a message with it that comes later counts as new. Longer than messages can be retried or sent
   * again; 1 ms to 10 years. @defaultValue 604_800_000 (7 days)
   */
  readonly retainMs?: number | undefined;
}

const DAY_MS = 24 * 60 * 60 * 1_000;
const MAX_KEY_BYTES = 255;
/** Two keys that differ in it only would be stored as one. */
const HALF_CHARACTER = /\p{Surrogate}/u;

/** Of a function of this name. */
export interface DedupRule {
  readonly what: string;
  /** The connection of its broker, which may be another one after a crash of a test broker. */
  readonly database: () => SqliteDatabase;
  readonly keyOf: (message: MessageView) => string;
  readonly retainMs: number;
}

export function dedupRule(
  what: string,
  broker: Broker,
  options: DedupOptions,
  more: readonly string[] = [],
): DedupRule {
  if (databaseOf(broker) === undefined)
    throw invalid(`${what} needs a broker of openBroker or openTestBroker, got ${kindOf(broker)}`);
  refuseUnknownOptions(`${what}: DedupOptions`, options, ["key", "retainMs", ...more]);
  const { key } = options;
  if (key !== undefined && typeof key !== "function")
    throw invalid(`${what}: key must be a function, got ${describe(key)}`);
  const range = { min: 1, max: 10 * 365 * DAY_MS, fallback: 7 * DAY_MS };
  return {
    what,
    database: () => broker.database,
    keyOf: (message) => (key === undefined ? message.messageId : checkKey(what, key(message))),
    retainMs: integerOption(`${what}: retainMs`, options.retainMs, range),
  };
}

/** It is known by its connection: whatever has that is as good. */
function databaseOf(broker: unknown): object | undefined {
  if (typeof broker !== "object" || broker === null || !("database" in broker)) return undefined;
  const { database } = broker;
  return typeof database === "object" && database !== null && "inTransaction" in database ? database : undefined;
}

function checkKey(what: string, key: unknown): string {
  const isKey = typeof key === "string" && key !== "" && !HALF_CHARACTER.test(key) && utf8Size(key) <= MAX_KEY_BYTES;
  if (isKey) return key;
  const given = typeof key === "string" ? `a string of ${utf8Size(key)} bytes` : kindOf(key);
  const illFormed = typeof key === "string" && HALF_CHARACTER.test(key) ? " with half a character" : "";
  throw invalid(`${what}: key must return a text of 1 to ${MAX_KEY_BYTES} bytes of UTF-8, got ${given}${illFormed}`);
}

/** Where a message is being delivered. */
export interface RunningDelivery {
  readonly delivery: Delivery;
  readonly dedup: DedupPort;
  readonly cached: CachedMessage;
}

/** Throws where the message is not one that a consumer of the rule's broker hands to its listener now. */
export function requireDelivery({ what, database }: DedupRule, message: MessageView): RunningDelivery {
  const delivery = runningDelivery.getStore();
  const cached = delivery?.batch.find((candidate) => candidate.message === message);
  if (delivery === undefined || cached === undefined)
    throw invalid(
      `${what}: it can be called only as, or within, the listener of a push consumer that has this message`,
    );
  const { dedup } = delivery;
  if (dedup === undefined || dedup.database !== database())
    throw invalid(
      `${what}: its broker is another one than that of consumer ${delivery.clientId} of group ${delivery.group}`,
    );
  return { delivery, dedup, cached };
}

/** Each key once in a delivery: what is called with it next would find it done, or in hand, by the same message, and never do anything. */
export function useKey(
  { what }: DedupRule,
  { delivery }: RunningDelivery,
  { messageId }: MessageView,
  key: string,
): void {
  if (delivery.useKey(`${messageId} ${key}`)) return;
  throw invalid(
    `${what}: this delivery has used the key ${JSON.stringify(key)} already: give each effect of a message a key of its own`,
  );
}
