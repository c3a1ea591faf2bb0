import { loadDriver } from "../store/driver.js";
import { LocalTestBroker } from "./local-test-broker.js";
import type { TestBroker, TestBrokerOptions } from "./test-broker.js";
import { resolveTestBrokerOptions } from "./test-broker-options.js";

// Whoever imports this is about to open a broker: loading SQLite would be a third of what the first one takes. Should it fail, opening one says why.
loadDriver().catch(() => undefined);

/**
 * Opens a broker for tests: in memory unless told otherwise, with `profile: "rocketmq"`, a virtual clock, and everything random from `seed`. The same calls in the same order do the same
 * every time.
 *
 * @throws as `openBroker` rejects.
 */
export async function openTestBroker(options?: TestBrokerOptions): Promise<TestBroker> {
  return LocalTestBroker.open(resolveTestBrokerOptions(options));
}
