import { MqError } from "../errors.js";

/** One engine's place among those of this process that have the same file open. */
export interface OpenFile {
  /** To be called after each commit: wakes every other engine on the file. */
  committed(): void;
  /** Whether the engine of this token was closed in this thread. Others of the thread may not be known here: test runners give each file its own globals. */
  wasClosed(token: number): boolean;
  /** Ends the registration; may be called again. */
  close(): void;
}

type OnCommit = () => void;

interface Registered {
  readonly onCommit: OnCommit;
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
 * @param token - by which others may ask whether it was closed.
 * @param realPath - with symbolic links resolved, as `OpenedDatabase.realPath` is.
 */
export function registerOpenFile(realPath: string, onCommit: OnCommit, token?: number): OpenFile {
  const files = registry();
  const engines = files.get(realPath) ?? new Set();
  files.set(realPath, engines);
  const closed = closedTokensOf(realPath);
  const own: Registered = { onCommit };
  engines.add(own);
  return {
    committed: () => {
      if (engines.size === 1) return;
      for (const engine of engines) if (engine !== own) engine.onCommit();
    },
    wasClosed: (asked) => closed.has(asked),
    close: () => {
      if (token !== undefined && engines.has(own)) keep(closed, token);
      engines.delete(own);
      if (engines.size === 0 && files.get(realPath) === engines) files.delete(realPath);
    },
  };
}

/** More brokers of one thread do not stop without a chance to delete their rows. */
const MOST_CLOSED = 1_000;
const CLOSED: symbol = Symbol.for("pocketmq.closedEngines");

function closedTokensOf(realPath: string): Set<number> {
  const holder = globalThis as { [CLOSED]?: Map<string, Set<number>> };
  holder[CLOSED] ??= new Map();
  const tokens = holder[CLOSED].get(realPath) ?? new Set();
  holder[CLOSED].set(realPath, tokens);
  return tokens;
}

function keep(tokens: Set<number>, token: number): void {
  tokens.add(token);
  for (const oldest of tokens) {
    if (tokens.size <= MOST_CLOSED) return;
    tokens.delete(oldest);
  }
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
