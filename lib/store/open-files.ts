import { MqError } from "../errors.js";

/** One engine's place among those of this process that have the same file open. */
export interface OpenFile {
  /** To be called after each commit: wakes every other engine on the file. */
  committed(): void;
  /** This engine has a row of this key in the store. */
  hasRow(engineKey: number): void;
  /** Whether some engine of this thread that is open has said so. */
  isOpen(engineKey: number): boolean;
  /** Ends the registration; may be called again. */
  close(): void;
}

type OnCommit = () => void;

interface Registered {
  readonly onCommit: OnCommit;
  /** Absent in a copy of the package that is older. */
  readonly engineKeys?: Set<number>;
}

// On globalThis, so that two copies of the package in one process find each other.
const REGISTRY: symbol = Symbol.for("pocketmq.openFiles");

function registry(): Map<string, Set<Registered>> {
  const holder = globalThis as { [REGISTRY]?: Map<string, Set<Registered>> };
  holder[REGISTRY] ??= new Map();
  return holder[REGISTRY];
}

/**
 * Announces that an engine works on a file. `onCommit` is called within the other's {@link OpenFile.committed}: it only notes that it
 * has to look, and must not throw.
 *
 * @param realPath - with symbolic links resolved, as `OpenedDatabase.realPath` is.
 */
export function registerOpenFile(realPath: string, onCommit: OnCommit): OpenFile {
  const files = registry();
  const engines = files.get(realPath) ?? new Set();
  files.set(realPath, engines);
  const engineKeys = new Set<number>();
  const own: Registered = { onCommit, engineKeys };
  engines.add(own);
  return {
    committed: () => {
      if (engines.size === 1) return;
      for (const engine of engines) if (engine !== own) engine.onCommit();
    },
    hasRow: (engineKey) => void engineKeys.add(engineKey),
    isOpen: (engineKey) => [...engines].some((engine) => engine.engineKeys?.has(engineKey) === true),
    close: () => {
      engines.delete(own);
      if (engines.size === 0 && files.get(realPath) === engines) files.delete(realPath);
    },
  };
}

const CONNECTIONS: symbol = Symbol.for("pocketmq.connections");

/**
 * Takes a connection for one engine: a second one on it would not see in `data_version` what the first commits. The returned function gives it free.
 *
 * @throws MqError `ERR_MQ_ALREADY_CREATED`
 */
export function claimConnection(connection: object): () => void {
  const holder = globalThis as { [CONNECTIONS]?: WeakSet<object> };
  holder[CONNECTIONS] ??= new WeakSet();
  const claimed = holder[CONNECTIONS];
  if (claimed.has(connection)) {
    throw new MqError(
      "ERR_MQ_ALREADY_CREATED",
      "a broker is open on this connection already: use that one, or another connection",
    );
  }
  claimed.add(connection);
  return () => void claimed.delete(connection);
}
