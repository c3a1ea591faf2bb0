import Database from "better-sqlite3";

/** Whether a disturbed statement still takes effect: a commit whose sync failed may have reached the disk or not. */
export type FaultMoment = "before" | "after";

/** A real connection whose statements can be watched and made to fail, as they do on a disk that breaks. */
export interface FaultDriver {
  readonly database: Database.Database;
  /** Called before each run of a statement with its text. */
  onRun: ((source: string) => void) | undefined;
  /** Called after each run of a statement that did not fail. */
  onRan: ((source: string) => void) | undefined;
  /** Called after each `get` and `all` of a statement with the rows that it returned. */
  onRead: ((source: string, rows: readonly unknown[]) => void) | undefined;
  /** From now on statements that begin so throw SQLite's `code`, until {@link FaultDriver.heal}. */
  fail(beginning: string, code: string, moment: FaultMoment): void;
  heal(): void;
}

/** @param path - default: in memory. */
export function openFaultDriver(path = ":memory:", options: Database.Options = {}): FaultDriver {
  const database = new Database(path, options);
  const prepare = database.prepare.bind(database) as (source: string) => Database.Statement;
  let fault: { readonly beginning: string; readonly code: string; readonly moment: FaultMoment } | undefined;
  const driver: FaultDriver = {
    database,
    onRun: undefined,
    onRan: undefined,
    onRead: undefined,
    fail: (beginning, code, moment) => {
      fault = { beginning, code, moment };
    },
    heal: () => {
      fault = undefined;
    },
  };
  const throwAt = (moment: FaultMoment, source: string): void => {
    if (fault !== undefined && source.startsWith(fault.beginning) && fault.moment === moment)
      throw new Database.SqliteError("injected by the spec", fault.code);
  };
  const disturb = (source: string): Database.Statement => {
    const statement = prepare(source);
    const run = statement.run.bind(statement);
    statement.run = (...values: unknown[]) => {
      driver.onRun?.(source);
      throwAt("before", source);
      const result = run(...values);
      throwAt("after", source);
      driver.onRan?.(source);
      return result;
    };
    const [get, all] = [statement.get.bind(statement), statement.all.bind(statement)];
    statement.get = (...values: unknown[]) => {
      const row = get(...values);
      driver.onRead?.(source, row === undefined ? [] : [row]);
      return row;
    };
    statement.all = (...values: unknown[]) => {
      const rows = all(...values);
      driver.onRead?.(source, rows);
      return rows;
    };
    return statement;
  };
  Object.defineProperty(database, "prepare", { value: disturb });
  return driver;
}
