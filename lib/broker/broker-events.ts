import { EventEmitter } from "node:events";
import { callListener } from "../call-listener.js";
import type { MqError } from "../errors.js";
import type { Logger } from "../logger.js";
import type { MessageQueue } from "../message/message-queue.js";
import { describe, invalid, oneOf } from "../options.js";

/**
 * What a broker tells about its own work, in the order in which it happened: one readonly object each, once the commit that an event speaks of is made
 * and the code that was running has ended. Nothing waits for a listener; what one throws, or the promise it returns rejects with, is logged and changes
 * nothing.
 */
export interface BrokerEvents {
  /** A message came into a queue by this broker: one that was sent, a retry whose time had come (topic `%RETRY%group`), a dead letter (`%DLQ%group`). */
  "message:stored": (event: {
    readonly messageId: string;
    readonly topic: string;
    readonly queueId: number;
    readonly queueOffset: number;
  }) => void;
  /** A listener is called with it, or it is handed out by a pull consumer. `deliveryAttempt` is 1 the first time. */
  "message:delivered": (event: {
    readonly messageId: string;
    readonly topic: string;
    readonly group: string;
    readonly clientId: string;
    readonly deliveryAttempt: number;
  }) => void;
  /**
   * A listener was successful: the group's progress is stored with the next commit, at the latest 50 ms later. Of a pull consumer: it came back for more, or
   * committed, after it was handed the message, whichever came first; also when it commits later, or never.
   */
  "message:consumed": (event: {
    readonly messageId: string;
    readonly topic: string;
    readonly group: string;
    /** Which member of the group it was. */
    readonly clientId?: string | undefined;
    readonly costMs: number;
  }) => void;
  /**
   * The attempt failed, and the message is delivered again at `dueAt`: a copy of it is stored; or it waits in its queue, of an orderly consumer, which may go to
   * another member before.
   */
  "message:retried": (event: {
    readonly messageId: string;
    readonly topic: string;
    readonly group: string;
    readonly deliveryAttempt: number;
    readonly dueAt: number;
  }) => void;
  /** The attempt failed, it was the last one, and a copy is stored in the dead-letter queue of the group. */
  "message:deadLettered": (event: {
    readonly messageId: string;
    readonly topic: string;
    readonly group: string;
    readonly deliveryAttempt: number;
  }) => void;
  /**
   * Messages were deleted because they had been kept for long enough or, as `profile: "rocketmq"`, because the disk was nearly full: those of one queue from
   * `fromOffset` on, up to and without `toOffset`, its new minimum. `unconsumedBy`: consumer groups that had not consumed all of them; they go on at the minimum.
   */
  "message:expired": (event: {
    readonly topic: string;
    readonly queueId: number;
    readonly fromOffset: number;
    readonly toOffset: number;
    readonly unconsumedBy: readonly string[];
  }) => void;
  /**
   * Sends are refused from now on because the disk has too little room, or failed because SQLite found none; the latter are tried all the same. Once until the disk has
   * recovered; also right after opening. `freeBytes`: for the store, on its disk and inside of its file; there may be many where a quota or `max_page_count` is the limit.
   * Unheard it is logged.
   */
  "disk:full": (event: { readonly freeBytes: number }) => void;
  /** A producer was asked what became of a transaction. `checks`: the how manieth time; `"unknown"` also where its listener failed, or it went meanwhile. */
  "transaction:checked": (event: {
    readonly transactionId: string;
    readonly producerGroup: string;
    readonly checks: number;
    readonly resolution: "commit" | "rollback" | "unknown";
  }) => void;
  /** A transaction has ended: its message is visible, or gone; `"gave-up"`: it was asked for `checkMax` times in vain, and lies in `TRANS_CHECK_MAX_TIME_TOPIC`. */
  "transaction:resolved": (event: {
    readonly transactionId: string;
    readonly resolution: "commit" | "rollback" | "gave-up";
  }) => void;
  /** The disk has room again, or SQLite stored a send. */
  "disk:recovered": (event: { readonly freeBytes: number }) => void;
  /** The queues of a member are others than before, without those of the retry topic. */
  "group:rebalanced": (event: {
    readonly group: string;
    readonly clientId: string;
    readonly assignment: readonly MessageQueue[];
  }) => void;
  /** A member registered subscriptions that differ from those of other members, in these topics; its own count for all. */
  "group:conflict": (event: {
    readonly group: string;
    readonly clientId: string;
    readonly topics: readonly string[];
  }) => void;
  /**
   * This machine's clock was set, back where `byMs` is below 0; or nothing ran in this process for so long, as it slept with the machine, or was stopped. Comes within a
   * second; with a clock of your own that has no `elapsed` and `after` when it shows, and with what can be told of it then. Less than a second is no jump.
   */
  "clock:jumped": (event: { readonly byMs: number }) => void;
  /** Something in the background failed and is tried again. Unheard it is logged, never thrown. */
  error: (error: MqError) => void;
}

export type BrokerEvent = keyof BrokerEvents;

const EVENTS: readonly BrokerEvent[] = [
  "message:stored",
  "message:delivered",
  "message:consumed",
  "message:retried",
  "message:deadLettered",
  "message:expired",
  "disk:full",
  "disk:recovered",
  "transaction:checked",
  "transaction:resolved",
  "group:rebalanced",
  "group:conflict",
  "clock:jumped",
  "error",
];

/** Refuses an event that there is not: nobody would ever hear of it. */
export function checkListener(event: unknown, listener: unknown): void {
  oneOf("event", event ?? null, EVENTS, "error");
  if (typeof listener !== "function") throw invalid(`listener must be a function, got ${describe(listener)}`);
}

/** Hands events to their listeners, each of which may do what it likes. */
export class EventHub {
  readonly #emitter = new EventEmitter().setMaxListeners(0);
  readonly #logger: Logger;
  #queue: (() => void)[] = [];

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Whether it is worth while to make an event. */
  isHeard(event: BrokerEvent): boolean {
    return this.#emitter.listenerCount(event) > 0;
  }

  on<E extends BrokerEvent>(event: E, listener: BrokerEvents[E]): void {
    this.#emitter.on(event, listener);
  }

  once<E extends BrokerEvent>(event: E, listener: BrokerEvents[E]): void {
    this.#emitter.once(event, listener);
  }

  off<E extends BrokerEvent>(event: E, listener: BrokerEvents[E]): void {
    this.#emitter.off(event, listener);
  }

  /** To those who listen when it is handed out: in a microtask, as listeners may call whatever called this. */
  emit<E extends BrokerEvent>(event: E, value: Parameters<BrokerEvents[E]>[0]): void {
    if (this.isHeard(event)) this.#later(() => this.#tell(event, value));
  }

  /** Something in the background failed and is tried again. @param level - how it is logged where nobody listens. */
  error(error: MqError, data?: object, level: "warn" | "error" = "error"): void {
    const log = (): void => this.#logger[level](error.message, data);
    if (!this.isHeard("error")) log();
    else this.#later(() => (this.isHeard("error") ? this.#tell("error", error) : log()));
  }

  #later(run: () => void): void {
    this.#queue.push(run);
    if (this.#queue.length === 1) void Promise.resolve().then(() => this.#handOut());
  }

  #handOut(): void {
    const queue = this.#queue;
    this.#queue = [];
    for (const run of queue) run();
  }

  #tell(event: BrokerEvent, value: unknown): void {
    const what = `a listener of "${event}"`;
    for (const listener of this.#emitter.rawListeners(event)) callListener(what, this.#logger, listener, value);
  }
}
