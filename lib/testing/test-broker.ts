import type { BrokerSettings } from "../broker-options.js";
import type { Broker } from "../embedded-broker.js";
import type { MessageView } from "../message/message-view.js";
import type { SqliteDatabase } from "../store/sqlite.js";
import type { Faults } from "./faults.js";
import type { HistoryEvent } from "./history.js";
import type { VirtualClock } from "./virtual-clock.js";
import type { HistoryMatch } from "./wait-for.js";

/** As for `openBroker`, with other defaults: in memory, `profile: "rocketmq"`, `seed: 1`, and a clock of its own. */
export interface TestBrokerOptions extends Omit<BrokerSettings, "clock"> {
  /** A file. @defaultValue in memory */
  readonly path?: string | undefined;
  /** Your connection, with your tables in it. */
  readonly database?: SqliteDatabase | undefined;
  /** What its clock says first: epoch milliseconds or a Date. @defaultValue 2026-01-01T00:00:00Z */
  readonly startAt?: number | Date | undefined;
  /**
   * What `close()` does about consumers that were not closed and sends that were not settled, each of which it names: `"warn"` logs it, `"throw"` rejects with it when everything is
   * closed, `"ignore"` says nothing. @defaultValue "warn"
   */
  readonly leaks?: "warn" | "throw" | "ignore" | undefined;
}

/** How long something may take. */
export interface RealTimeout {
  /** Real time, from 1. @defaultValue 3_000 */
  readonly timeoutMs?: number | undefined;
}

/**
 * A broker for tests: the same engine as `openBroker` opens, with time that stands still until the test moves it, everything written down, and faults to order.
 *
 * Sending and consuming go on by themselves, as they take no time; what is due later happens when {@link TestBroker.clock} is moved.
 */
export interface TestBroker extends Broker {
  readonly clock: VirtualClock;
  /** What can go wrong on purpose. */
  readonly faults: Faults;
  /**
   * What happened to each message, in order: stored, delivered, consumed, retried, dead-lettered, expired. A message that is put off is stored when it is sent, in no queue yet (`queueOffset` -1),
   * with its `dueAt`; one that is recalled has expired. One of a transaction is half first, in no queue either, then perhaps checked, and stored when it is committed, or rolled back. Give it to `checkHistory`.
   */
  readonly history: readonly HistoryEvent[];
  /** Messages that were sent, in order, to this topic or to any. Without what sends refused, and without retries and dead letters. */
  sent(topic?: string): readonly MessageView[];
  /** Messages that this group, or any, has consumed, in order; one that was consumed twice twice. */
  consumed(group?: string): readonly MessageView[];
  /**
   * The first event of the history that fits, whether it happened already or happens within `timeoutMs` of real time. Moves no time.
   *
   * @throws `MqError` rejects with `ERR_MQ_TIMEOUT`, and what did happen.
   */
  waitFor(match: HistoryMatch, options?: RealTimeout): Promise<HistoryEvent>;
  /**
   * Resolves when nothing is due now, no listener runs and nothing is on its way. Never moves time: retries wait for `clock.advance`.
   *
   * @throws `MqError` rejects with `ERR_MQ_TIMEOUT` after `timeoutMs` of real time, and names who is busy.
   */
  runUntilIdle(options?: RealTimeout): Promise<void>;
  /**
   * Empty again: messages, topics, groups, consumers, faults and history are gone. Producers go on, as do the listeners of events; the clock stays where it is, and so do tables of your own.
   * Consumers are closed without waiting for their listeners, whose sends are refused from then on.
   *
   * @throws `MqError` rejects with `ERR_MQ_IN_TRANSACTION` within a transaction of the connection, with `ERR_MQ_SYSTEM_BUSY` while another connection holds the file: then nothing has changed.
   */
  reset(): Promise<void>;
}
