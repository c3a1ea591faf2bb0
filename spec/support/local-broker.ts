import { expect } from "vitest";
import { LocalBroker } from "../../lib/broker/local-broker.js";
import { prepareStore } from "../../lib/broker/prepare-store.js";
import { type BrokerSettings, resolveBrokerOptions } from "../../lib/broker-options.js";
import { EmbeddedBroker } from "../../lib/embedded-broker.js";
import type { Broker, Logger } from "../../lib/index.js";
import { UniqueIdGenerator } from "../../lib/message/unique-id.js";
import { openOwned } from "../../lib/store/open-database.js";
import type { SqliteDatabase } from "../../lib/store/sqlite.js";
import { findProblems } from "./test-broker.js";
import { VirtualClock } from "./virtual-clock.js";

const ignore = (): void => undefined;
const silent: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore };

/** A broker in memory under virtual time, together with the port that its clients see. A timer that is left behind fails the spec. */
export interface TestPort extends AsyncDisposable {
  readonly mq: Broker;
  readonly port: LocalBroker;
  readonly clock: VirtualClock;
}

export async function openTestPort(given: BrokerSettings = {}): Promise<TestPort> {
  const clock = new VirtualClock();
  const { settings } = resolveBrokerOptions({ path: ":memory:", seed: 1, clock, logger: silent, ...given });
  const opened = await openOwned({ path: ":memory:", synchronous: "off", busyTimeoutMs: 0 });
  prepareStore(opened);
  const port = new LocalBroker(opened, settings);
  const { chance, logger } = settings;
  const ids = new UniqueIdGenerator({ clock, chance, address: "127.0.0.1", processId: 1 });
  const context = { port, clock, chance, logger, events: port.events, ids, address: "127.0.0.1" };
  const mq = new EmbeddedBroker<SqliteDatabase>(opened, port, settings, context);
  return {
    mq,
    port,
    clock,
    [Symbol.asyncDispose]: async () => {
      if (mq.database.open) expect(findProblems(mq.database)).toEqual([]);
      await mq.close({ graceMs: 0 });
      await clock.settle();
      expect(clock.pendingTimers).toBe(0);
    },
  };
}
