import type { BrokerSurroundings, ResolvedBrokerSettings } from "./broker/broker-settings.js";
import { LocalBroker } from "./broker/local-broker.js";
import { prepareStore, readStoredSoFar } from "./broker/prepare-store.js";
import { untilFree } from "./broker/until-free.js";
import { type BrokerOptions, type ResolvedBrokerOptions, resolveBrokerOptions } from "./broker-options.js";
import type { EmbeddedClientContext } from "./client/client-context.js";
import { findHostAddress } from "./client/host-address.js";
import { type Broker, EmbeddedBroker } from "./embedded-broker.js";
import { UniqueIdGenerator } from "./message/unique-id.js";
import { adopt } from "./store/adopt-database.js";
import { type OpenedDatabase, openOwned } from "./store/open-database.js";
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
  const resolved = resolveBrokerOptions(options);
  const { settings } = resolved;
  const opened = await openStore(resolved);
  try {
    const parts = clientParts(resolved, await findProcessId(resolved, opened));
    const port = await prepareBroker(opened, settings);
    const context = { ...parts, port, events: port.events };
    return new EmbeddedBroker<D>(opened, port, settings, () => context);
  } catch (error) {
    opened.close();
    throw error;
  }
}

/** The database of these options, its tables not looked at yet. */
export function openStore({
  path,
  database,
  synchronous,
  allowNetworkFileSystem,
  settings,
}: ResolvedBrokerOptions): Promise<OpenedDatabase> {
  return path === undefined
    ? untilFree(() => adopt(database as SqliteDatabase, { allowNetworkFileSystem }))
    : openOwned({ path, synchronous, busyTimeoutMs: settings.busyTimeoutMs, allowNetworkFileSystem });
}

/** A broker on an open database. */
export function prepareBroker(
  opened: OpenedDatabase,
  settings: ResolvedBrokerSettings,
  surroundings?: BrokerSurroundings,
): Promise<LocalBroker> {
  return untilFree(() => {
    prepareStore(opened, settings.clock.now());
    return new LocalBroker(opened, settings, surroundings);
  });
}

/**
 * What ids have for this process: with a seed what follows from it, and from how much is stored. So a store that is opened again, by the same seed at the same time, gives no message the id of one
 * that it holds.
 */
export async function findProcessId(
  { isSeeded, path, settings }: ResolvedBrokerOptions,
  opened: OpenedDatabase,
): Promise<number> {
  if (!isSeeded) return process.pid;
  const first = settings.chance.nextInt(2 ** 16);
  if (path === ":memory:") return first;
  return untilFree(() => {
    prepareStore(opened, settings.clock.now());
    return first + readStoredSoFar(opened);
  });
}

/** What all clients of a broker share, besides the broker. */
export function clientParts(
  { isSeeded, settings }: ResolvedBrokerOptions,
  processId: number,
): Omit<EmbeddedClientContext, "port" | "events"> {
  const { clock, steady, chance, logger } = settings;
  const address = isSeeded ? "127.0.0.1" : findHostAddress();
  return { clock, steady, chance, logger, address, ids: new UniqueIdGenerator({ clock, chance, address, processId }) };
}
