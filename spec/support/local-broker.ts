import type Database from "better-sqlite3";
import { expect } from "vitest";
import { LocalBroker } from "../../lib/broker/local-broker.js";
import { prepareStore } from "../../lib/broker/prepare-store.js";
import { type BrokerSettings, resolveBrokerOptions } from "../../lib/broker-options.js";
import { EmbeddedBroker } from "../../lib/embedded-broker.js";
import type { Broker, Logger } from "../../lib/index.js";
import { UniqueIdGenerator } from "../../lib/message/unique-id.js";
import { adopt } from "../../lib/store/adopt-database.js";
import { openOwned } from "../../lib/store/open-database.js";
import type { SqliteDatabase } from "../../lib/store/sqlite.js";
import type { Chance } from "../../lib/time/chance.js";
import { findProblems, usualTimers } from "./test-broker.js";
import { VirtualClock } from "./virtual-clock.js";

const ignore = (): void => undefined;
const silent: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore };

/** A broker under virtual time, in memory unless told otherwise, with the port that its clients see. A timer that is left behind fails the spec. */
export interface TestPort extends AsyncDisposable {
  readonly mq: Broker;
  readonly port: LocalBroker;
  readonly clock: VirtualClock;
}

export interface TestPortParts {
  /** @defaultValue in memory */
  readonly path?: string | undefined;
  /** Of the owner, who closes it. */
  readonly database?: Database.Database | undefined;
  /** Makes the store that it is opened on. */
  readonly fill?: (database: Database.Database) => void;
  /** In place of the one that it would have. */
  readonly chance?: (usual: Chance) => Chance;
}

export async function openTestPort(given: BrokerSettings = {}, parts: TestPortParts = {}): Promise<TestPort> {
  const clock = new VirtualClock();
  const resolved = resolveBrokerOptions({ path: ":memory:", seed: 1, clock, logger: silent, ...given }).settings;
  const settings = { ...resolved, chance: parts.chance?.(resolved.chance) ?? resolved.chance };
  const { database, path = ":memory:" } = parts;
  const opened =
    database === undefined
      ? await openOwned({ path, synchronous: "off", busyTimeoutMs: 0 })
      : adopt(database as unknown as SqliteDatabase);
  parts.fill?.(opened.connection as unknown as Database.Database);
  prepareStore(opened, settings.clock.now());
  const port = new LocalBroker(opened, settings);
  const closed = clock.expectTimers(usualTimers(clock));
  const { steady, chance, logger } = settings;
  const ids = new UniqueIdGenerator({ clock, chance, address: "127.0.0.1", processId: 1 });
  const context = { port, clock, steady, chance, logger, events: port.events, ids, address: "127.0.0.1" };
  const mq = new EmbeddedBroker<SqliteDatabase>(opened, port, settings, () => context);
  return {
    mq,
    port,
    clock,
    [Symbol.asyncDispose]: async () => {
      if (mq.database.open && !mq.database.inTransaction) expect(findProblems(mq.database)).toEqual([]);
      await mq.close({ graceMs: 0 });
      await clock.settle();
      closed();
      expect(clock.pendingTimers).toBe(0);
    },
  };
}
