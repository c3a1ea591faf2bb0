import Database from "better-sqlite3";

/**
 * What becomes of a call that fails. `before`: it has no effect. `after`: it has taken effect, as a commit may whose sync failed. `rolled back`: it has no
 * effect and SQLite has rolled back the whole transaction, which it does when the disk is full.
 */
export type FaultMoment = "before" | "after" | "rolled back";

/** A call of a statement that was made to fail. */
export interface FailedCall {
  readonly source: string;
  /** What it threw. */
  readonly error: unknown;
}

/** A real connection whose statements can be watched and made to fail, as they do on a disk that breaks. */
export interface FaultDriver {
  readonly database: Database.Database;
  /** Called before each run of a statement with its text. */
  onRun: ((source: string) => void) | undefined;
  /** Called after each run of a statement that did not fail. */
  onRan: ((source: string) => void) | undefined;
  /** Called after each `get` and `all` of a statement with the rows that it returned. */
  onRead: ((source: string, rows: readonly unknown[]) => void) | undefined;
  /** The last call that failed. */
  readonly failed: FailedCall | undefined;
  /** Texts of the statements called since {@link FaultDriver.failCall}, in order. */
  readonly calls: readonly string[];
  /** From now on runs of statements that begin so throw SQLite's `code`, until {@link FaultDriver.heal}. */
  fail(beginning: string, code: string, moment: FaultMoment): void;
  /** The `number`-th call of a statement from now on (`run`, `get`, `all`, `iterate`; 1 is the next) throws SQLite's `code`; 0: none does. */
  failCall(number: number, code: string, moment: FaultMoment): void;
  heal(): void;
}

interface Fault {
  readonly code: string;
  readonly moment: FaultMoment;
  /** Whether it hits the call that is about to be made. */
  readonly hits: (method: Method, source: string) => boolean;
}

type Method = "run" | "get" | "all" | "iterate";

/** @param path - default: in memory. */
export function openFaultDriver(path = ":memory:", options: Database.Options = {}): FaultDriver {
  const database = new Database(path, options);
  const prepare = database.prepare.bind(database) as (source: string) => Database.Statement;
  let fault: Fault | undefined;
  let failed: FailedCall | undefined;
  let calls: string[] = [];
  const driver: FaultDriver = {
    database,
    onRun: undefined,
    onRan: undefined,
    onRead: undefined,
    get failed() {
      return failed;
    },
    get calls() {
      return calls;
    },
    fail: (beginning, code, moment) => {
      fault = { code, moment, hits: (method, source) => method === "run" && source.startsWith(beginning) };
    },
    failCall: (number, code, moment) => {
      calls = [];
      fault = { code, moment, hits: () => calls.length === number };
    },
    heal: () => {
      fault = undefined;
    },
  };
  const disturbed = <T>(method: Method, source: string, call: () => T): T => {
    calls.push(source);
    const hit = fault?.hits(method, source) === true ? fault : undefined;
    if (hit?.moment === "rolled back" && database.inTransaction) database.exec("ROLLBACK");
    const result = hit === undefined || hit.moment === "after" ? call() : undefined;
    if (hit === undefined) return result as T;
    failed = { source, error: new Database.SqliteError("injected by the spec", hit.code) };
    throw failed.error;
  };
  const disturb = (source: string): Database.Statement => {
    const statement = prepare(source);
    const run = statement.run.bind(statement);
    statement.run = (...values: unknown[]) => {
      driver.onRun?.(source);
      const result = disturbed("run", source, () => run(...values));
      driver.onRan?.(source);
      return result;
    };
    const [get, all, iterate] = [
      statement.get.bind(statement),
      statement.all.bind(statement),
      statement.iterate.bind(statement),
    ];
    statement.get = (...values: unknown[]) => {
      const row = disturbed("get", source, () => get(...values));
      driver.onRead?.(source, row === undefined ? [] : [row]);
      return row;
    };
    statement.all = (...values: unknown[]) => {
      const rows = disturbed("all", source, () => all(...values));
      driver.onRead?.(source, rows);
      return rows;
    };
    statement.iterate = (...values: unknown[]) => disturbed("iterate", source, () => iterate(...values));
    return statement;
  };
  Object.defineProperty(database, "prepare", { value: disturb });
  return driver;
}
