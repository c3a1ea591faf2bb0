/**
 * How long the statements of every connection take that is opened from now on; COMMIT, in which the disk syncs, for itself. On a busy machine a statement is
 * interrupted for tens of milliseconds: what it took of the CPU (of all threads of this process) is what it costs by itself.
 */
import Database from "better-sqlite3";
import { Latencies } from "../../harness/measured.mjs";

const cpuMs = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
};

export function watchStatements() {
  const [statements, commits] = [new Watched(), new Watched()];
  const longest = new Map();
  const timed = (source, work) => {
    const [cpu, start] = [cpuMs(), performance.now()];
    try {
      return work();
    } finally {
      const [ms, own] = [performance.now() - start, cpuMs() - cpu];
      (source === "COMMIT" ? commits : statements).note(ms, own);
      const known = longest.get(source) ?? { ms: 0, own: 0 };
      longest.set(source, { ms: Math.max(ms, known.ms), own: Math.max(own, known.own) });
    }
  };
  const { prepare, exec } = Database.prototype;
  Database.prototype.prepare = function prepareWatched(source) {
    const statement = prepare.call(this, source);
    for (const name of ["run", "get", "all"]) {
      const method = statement[name];
      statement[name] = (...values) => timed(source, () => method.apply(statement, values));
    }
    return statement;
  };
  Database.prototype.exec = function execWatched(source) {
    return timed(source, () => exec.call(this, source));
  };
  return {
    statements,
    commits,
    /** Those that took most of the CPU. */
    dearest: () => [...longest].sort((a, b) => b[1].own - a[1].own).slice(0, 5),
    stop: () => Object.assign(Database.prototype, { prepare, exec }),
  };
}

class Watched {
  #wall = new Latencies();
  cpuMaxMs = 0;

  note(ms, cpuMs) {
    this.#wall.record(ms);
    this.cpuMaxMs = Math.max(this.cpuMaxMs, cpuMs);
  }

  percentile(percent) {
    return this.#wall.percentile(percent);
  }

  get maxMs() {
    return this.#wall.max;
  }
}
