import { expect } from "vitest";
import type { Logger } from "../../../lib/index.js";
import { openTestBroker, type TestBroker, type TestBrokerOptions } from "../../../lib/testing/index.js";

export interface Kit extends AsyncDisposable {
  readonly broker: TestBroker;
  /** Warnings and errors. */
  readonly logged: readonly string[];
}

/** A test broker that logs to memory, and whose store is checked at the end. */
export async function openKit(options: TestBrokerOptions = {}): Promise<Kit> {
  const logged: string[] = [];
  const keep = (text: string): void => void logged.push(text);
  const logger: Logger = { debug: () => undefined, info: () => undefined, warn: keep, error: keep };
  const broker = await openTestBroker({ logger, leaks: "ignore", ...options });
  return {
    broker,
    logged,
    [Symbol.asyncDispose]: async () => {
      if (broker.database.open && !broker.database.inTransaction)
        expect(await broker.admin.checkStore()).toEqual({ problems: [] });
      await broker.close({ graceMs: 0 });
    },
  };
}
