import { LocalBroker } from "./broker/local-broker.js";
import { prepareStore } from "./broker/prepare-store.js";
import { untilFree } from "./broker/until-free.js";
import { type BrokerOptions, resolveBrokerOptions } from "./broker-options.js";
import { findHostAddress } from "./client/host-address.js";
import { type Broker, EmbeddedBroker } from "./embedded-broker.js";
import { UniqueIdGenerator } from "./message/unique-id.js";
import { adopt } from "./store/adopt-database.js";
import { openOwned } from "./store/open-database.js";
import type { SqliteDatabase } from "./store/sqlite.js";

/**
 * Opens a store, makes it where it is missing, and brings it to this version's format. Nothing is held open but the file: started consumers keep
 * the process alive, a broker alone does not.
 *
 * @param options - a string is `{ path }`; `":memory:"` lives as long as the broker.
 * @throws {@link MqError} `ERR_MQ_INVALID_ARGUMENT` for a malformed option, `ERR_MQ_STORE` for a folder or file that cannot be opened or
 * lies on a network file system, `ERR_MQ_STORE_FORMAT` for a file that is not ours or was written by a newer version, `ERR_MQ_DRIVER` when
 * better-sqlite3 is missing, does not fit this Node or is loaded twice, `ERR_MQ_SYSTEM_BUSY` when another process kept the file locked for 5 s,
 * `ERR_MQ_IN_TRANSACTION` for a database that is in a transaction. A file that is refused is left untouched.
 */
export function openBroker(path: string): Promise<Broker>;
export function openBroker<D extends SqliteDatabase = SqliteDatabase>(options: BrokerOptions<D>): Promise<Broker<D>>;
export async function openBroker<D extends SqliteDatabase>(options: string | BrokerOptions<D>): Promise<Broker<D>> {
  const { path, database, synchronous, allowNetworkFileSystem, isSeeded, settings } = resolveBrokerOptions(options);
  const opened =
    path === undefined
      ? await untilFree(() => adopt(database as SqliteDatabase, { allowNetworkFileSystem }))
      : await openOwned({ path, synchronous, busyTimeoutMs: settings.busyTimeoutMs, allowNetworkFileSystem });
  try {
    const port = await untilFree(() => {
      prepareStore(opened);
      return new LocalBroker(opened, settings);
    });
    const { clock, chance, logger } = settings;
    const address = isSeeded ? "127.0.0.1" : findHostAddress();
    const processId = isSeeded ? chance.nextInt(2 ** 16) : process.pid;
    const ids = new UniqueIdGenerator({ clock, chance, address, processId });
    return new EmbeddedBroker<D>(opened, port, settings, {
      port,
      clock,
      chance,
      logger,
      events: port.events,
      ids,
      address,
    });
  } catch (error) {
    opened.close();
    throw error;
  }
}
