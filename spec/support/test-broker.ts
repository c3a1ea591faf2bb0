import { expect } from "vitest";
import { type Broker, type BrokerSettings, type Logger, openBroker } from "../../lib/index.js";
import type { SqliteDatabase } from "../../lib/store/sqlite.js";
import { VirtualClock } from "./virtual-clock.js";

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

type Place<D extends SqliteDatabase> = { readonly path: string } | { readonly database: D };

/**
 * A broker under virtual time, in memory unless told otherwise. Disposing checks the store, closes everything and fails the spec when a timer is
 * left behind.
 */
export async function openTestBroker<D extends SqliteDatabase = SqliteDatabase>(
  settings: BrokerSettings & Partial<Place<D>> = {},
): Promise<TestBroker<D>> {
  const clock = new VirtualClock();
  const logged: LoggedLine[] = [];
  const log = (level: LoggedLine["level"]) => (text: string, data?: object) => void logged.push({ level, text, data });
  const logger: Logger = { debug: log("debug"), info: log("info"), warn: log("warn"), error: log("error") };
  const place = settings.path === undefined && settings.database === undefined ? { path: ":memory:" } : {};
  const mq = await openBroker<D>({ clock, logger, seed: 1, ...place, ...settings } as Parameters<typeof openBroker<D>>[0]);
  return {
    mq,
    clock,
    logged,
    [Symbol.asyncDispose]: async () => {
      const { database } = mq;
      if (database.open && !database.inTransaction) expect(await checkIfOpen(mq)).toEqual([]);
      await mq.close({ graceMs: 0 });
      await clock.settle();
      expect(clock.pendingTimers).toBe(0);
    },
  };
}

/** A spec may have closed its broker itself. */
async function checkIfOpen(mq: Broker): Promise<readonly string[]> {
  try {
    return (await mq.admin.checkStore()).problems;
  } catch (error) {
    if ((error as { code?: string }).code === "ERR_MQ_CLOSED") return [];
    throw error;
  }
}
