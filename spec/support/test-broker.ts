import { expect } from "vitest";
import {
  type Broker,
  type BrokerOptions,
  type BrokerSettings,
  type Clock,
  type Logger,
  openBroker,
} from "../../lib/index.js";
import { checkStore } from "../../lib/store/check-store.js";
import type { SqliteConnection, SqliteDatabase } from "../../lib/store/sqlite.js";
import { Store } from "../../lib/store/store.js";
import { VirtualClock } from "./virtual-clock.js";

/** What an open broker has all the time: for the next hour in which old messages are deleted, and to see whether the clock was set. */
export function usualTimers(clock: Clock): number {
  return clock.after === undefined ? 1 : 2;
}

/** What was logged, instead of stderr. */
export interface LoggedLine {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly text: string;
  readonly data: object | undefined;
}

export interface TestBroker<D extends SqliteDatabase = SqliteDatabase> extends AsyncDisposable {
  readonly mq: Broker<D>;
  readonly clock: VirtualClock;
  readonly logged: readonly LoggedLine[];
}

export type TestBrokerOptions<D extends SqliteDatabase> = Omit<BrokerSettings, "clock"> & {
  readonly clock?: VirtualClock | undefined;
  readonly path?: string | undefined;
  readonly database?: D | undefined;
};

/**
 * A broker under virtual time, in memory unless told otherwise. Disposing checks the store, closes everything and fails the spec when a timer is
 * left behind.
 */
export async function openTestBroker<D extends SqliteDatabase = SqliteDatabase>(
  options: TestBrokerOptions<D> = {},
): Promise<TestBroker<D>> {
  const { clock = new VirtualClock() } = options;
  const logged: LoggedLine[] = [];
  const log = (level: LoggedLine["level"]) => (text: string, data?: object) => void logged.push({ level, text, data });
  const logger: Logger = { debug: log("debug"), info: log("info"), warn: log("warn"), error: log("error") };
  const place = options.path === undefined && options.database === undefined ? { path: ":memory:" } : {};
  const mq = await openBroker<D>({ logger, seed: 1, ...options, clock, ...place } as BrokerOptions<D>);
  const closed = clock.expectTimers(usualTimers(clock));
  return {
    mq,
    clock,
    logged,
    [Symbol.asyncDispose]: async () => {
      const { database } = mq;
      if (database.open && !database.inTransaction) expect(findProblems(database)).toEqual([]);
      await mq.close({ graceMs: 0 });
      await clock.settle();
      closed();
      expect(clock.pendingTimers).toBe(0);
    },
  };
}

/** The same with the profile under which recorded facts hold. */
export function openRecordedBroker<D extends SqliteDatabase = SqliteDatabase>(
  options: TestBrokerOptions<D> = {},
): Promise<TestBroker<D>> {
  return openTestBroker<D>({ profile: "rocketmq", ...options });
}

/** Everything that breaks a rule of the store. */
export function findProblems(database: SqliteDatabase): readonly string[] {
  const steps = checkStore(new Store(database as SqliteConnection));
  let step = steps.next();
  while (step.done !== true) step = steps.next();
  return step.value;
}
