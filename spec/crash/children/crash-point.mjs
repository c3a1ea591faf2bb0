// What the children share: telling the parent, and stopping for ever where it is to kill them.

import { writeSync } from "node:fs";
import Database from "better-sqlite3";

/** Specs send by a clock that stands years before those of the children, to whom all of it would be old. */
export const KEEP_ALL = { fileReservedTimeHours: 1_000_000 };

/** Written before this returns, so that nothing told is lost with the process. */
export function tell(event, ...rest) {
  writeSync(1, `${[event, ...rest].join(" ")}\n`);
}

/** Tells the parent that the point is reached and blocks the whole thread; ends by itself should the parent be gone. */
export function stopHere() {
  tell("stopped");
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60_000);
  process.abort();
}

/** Nothing runs after this: as when the process is killed from outside at this very statement. */
export function killHere() {
  tell("killed");
  process.kill(process.pid, "SIGKILL");
}

/** Calls `before` and `after` around each run of each statement of every connection that is opened from now on. */
export function watchStatements({ before = () => undefined, after = () => undefined }) {
  const { prepare } = Database.prototype;
  Database.prototype.prepare = function prepareWatched(source) {
    const statement = prepare.call(this, source);
    const { run } = statement;
    statement.run = (...values) => {
      before(source);
      const result = run.apply(statement, values);
      after(source);
      return result;
    };
    return statement;
  };
}
