import Database from "better-sqlite3";
import { canFail } from "./fault-codes.js";

/** With which a guest takes the write lock, where nobody can keep it from reading. */
export const TAKING_THE_LOCK = "DELETE FROM main.mq_meta WHERE name = ''";

/**
 * What becomes of a call that fails. `before`: it has no effect. `after`: it has taken effect, as a commit may whose sync failed. `rolled back`: it has no
 * effect and SQLite has rolled back the whole transaction, which it does when the disk is full.
 */
export type FaultMoment = "before" | "after" | "rolled back";

/** `exec`: of each statement of the script. `pragma`: `source` begins with `PRAGMA`. */
export type DriverMethod = "prepare" | "run" | "get" | "all" | "iterate" | "exec" | "pragma";

export interface DriverCall {
  readonly method: DriverMethod;
  readonly source: string;
}

/** A call that was made to fail. */
export interface FailedCall extends DriverCall {
  /** What it threw. */
  readonly error: unknown;
}

/** Says which calls of the driver fail, and sees all of them. */
export interface Faults {
  /** Called before each run of a statement with its text. */
  onRun: ((source: string) => void) | undefined;
  /** Called after each run of a statement that did not fail. */
  onRan: ((source: string) => void) | undefined;
  /** Called after each `get` and `all` of a statement with the rows that it returned. */
  onRead: ((source: string, rows: readonly unknown[]) => void) | undefined;
  /** Since {@link Faults.failCall} or {@link Faults.failFrom}, in order. */
  readonly failures: readonly FailedCall[];
  /** The last of them. */
  readonly failed: FailedCall | undefined;
  /** Since then, in order, those that fail included. */
  readonly calls: readonly DriverCall[];
  /** From now on runs of statements that begin so throw SQLite's `code`, until {@link Faults.heal}. */
  fail(beginning: string, code: string, moment: FaultMoment): void;
  /** The `number`-th call from now on that SQLite can answer with `code` throws it; 1 is the next, 0: none does. */
  failCall(number: number, code: string, moment: FaultMoment): void;
  /** That one and all after it do, until {@link Faults.heal}, as on a disk that is gone; of scripts and pragmas of the connection's owner too. */
  failFrom(number: number, code: string): void;
  heal(): void;
}

/** A real connection whose calls can be watched and made to fail, as they do on a disk that breaks. */
export interface FaultDriver extends Faults {
  readonly database: Database.Database;
}

/** @param path - default: in memory. */
export function openFaultDriver(path = ":memory:", options: Database.Options = {}): FaultDriver {
  const database = new Database(path, options);
  const { faults } = disturb(database);
  return Object.assign(faults, { database });
}

/** The same for each connection that anybody opens in this process, until disposed. */
export function disturbDriver(): Disturbance {
  return disturb(Database.prototype);
}

export interface Disturbance extends Disposable {
  readonly faults: Faults;
  /** All that were used, open and closed ones. */
  readonly connections: ReadonlySet<Database.Database>;
}

interface Fault {
  readonly code: string;
  readonly moment: FaultMoment;
  /** Whether it hits the call that is about to be made. */
  readonly hits: (call: DriverCall) => boolean;
}

/** @param target - a connection, or what connections inherit from. */
function disturb(target: Database.Database): Disturbance {
  const { exec, pragma } = target;
  const prepare = target.prepare as (source: string) => Database.Statement<unknown[]>;
  const connections = new Set<Database.Database>();
  let fault: Fault | undefined;
  let failures: FailedCall[] = [];
  let calls: DriverCall[] = [];
  const begin = (next: (count: () => number) => Fault): void => {
    let count = 0;
    failures = [];
    calls = [];
    fault = next(() => ++count);
  };
  const faults: Faults = {
    onRun: undefined,
    onRan: undefined,
    onRead: undefined,
    get failures() {
      return failures;
    },
    get failed() {
      return failures.at(-1);
    },
    get calls() {
      return calls;
    },
    fail: (beginning, code, moment) => {
      fault = { code, moment, hits: ({ method, source }) => method === "run" && source.startsWith(beginning) };
    },
    failCall: (number, code, moment) =>
      begin((count) => ({ code, moment, hits: (call) => canFail(call, code) && count() === number })),
    failFrom: (number, code) =>
      begin((count) => ({ code, moment: "before", hits: (call) => canFail(call, code) && count() >= number })),
    heal: () => {
      fault = undefined;
    },
  };
  const disturbed = <T>(connection: Database.Database, call: DriverCall, run: () => T): T => {
    calls.push(call);
    connections.add(connection);
    const hit = fault?.hits(call) === true ? fault : undefined;
    if (hit?.moment === "rolled back" && connection.inTransaction) exec.call(connection, "ROLLBACK");
    const result = hit === undefined || hit.moment === "after" ? run() : undefined;
    if (hit === undefined) return result as T;
    const failure = { ...call, error: new Database.SqliteError("injected by the spec", hit.code) };
    failures.push(failure);
    throw failure.error;
  };
  const statementOf = (connection: Database.Database, source: string): Database.Statement<unknown[]> => {
    const statement = disturbed(connection, { method: "prepare", source }, () => prepare.call(connection, source));
    const { run, get, all, iterate } = statement;
    const call = <T>(method: DriverMethod, work: () => T): T => disturbed(connection, { method, source }, work);
    return Object.assign(statement, {
      run: (...values: unknown[]) => {
        faults.onRun?.(source);
        const result = call("run", () => run.apply(statement, values));
        faults.onRan?.(source);
        return result;
      },
      get: (...values: unknown[]) => {
        const row = call("get", () => get.apply(statement, values));
        faults.onRead?.(source, row === undefined ? [] : [row]);
        return row;
      },
      all: (...values: unknown[]) => {
        const rows = call("all", () => all.apply(statement, values));
        faults.onRead?.(source, rows);
        return rows;
      },
      iterate: (...values: unknown[]) => call("iterate", () => iterate.apply(statement, values)),
    });
  };
  const methods = {
    prepare(this: Database.Database, source: string) {
      return statementOf(this, source);
    },
    exec(this: Database.Database, script: string) {
      for (const source of statementsOf(script))
        disturbed(this, { method: "exec", source }, () => exec.call(this, source));
      return this;
    },
    pragma(this: Database.Database, source: string, options?: Database.PragmaOptions) {
      return disturbed(this, { method: "pragma", source: `PRAGMA ${source}` }, () =>
        pragma.call(this, source, options),
      );
    },
  };
  Object.assign(target, methods);
  return { faults, connections, [Symbol.dispose]: () => void Object.assign(target, { prepare, exec, pragma }) };
}

/** Those of a trigger are none of their own. */
function statementsOf(script: string): readonly string[] {
  if (script.includes("TRIGGER")) return [script];
  return script
    .split(";")
    .map((statement) => statement.trim())
    .filter((statement) => statement !== "");
}
