/** What the benchmarks are to show, and whether they do. */
import { durabilityOf } from "./durability.mjs";
import { figuresOf, median, ratio } from "./statistics.mjs";

const SENDING = ["single", "concurrent-64", "batch-100"];
const RIVALS = ["plainjob", "bullmq", "pg-boss", "graphile-worker"];
/** Several times every durable queue; in the other shapes not slower. */
const FIVE_TIMES = ["concurrent-64", "drain"];
const RETENTION = ["retention", "retention-of-single", "retention-of-many"];
const NOT_SLOWER = ["single", "batch-100", "retry-storm"];

/** `[{ what, synchronous, found, target, isMet }]` for everything that was measured. */
export function judge(trials) {
  const modes = [...new Set(trials.map((trial) => trial.synchronous))];
  return modes.flatMap((synchronous) => {
    const cell = (scenario, driver) => figuresOf(trials, scenario, synchronous, driver);
    const against = (scenario, rival, figure = "rate") =>
      ratio(cell(scenario, "pocketmq"), cell(scenario, rival), figure);
    // Judged only against those that promise the same.
    const rivals = RIVALS.filter((rival) => durabilityOf(rival, synchronous).promise === "same");
    const verdicts = [
      ...SENDING.map((shape) =>
        atLeast(`${shape}: share of the bare loop on our own tables`, against(shape, "own-tables"), 2 / 3),
      ),
      ...FIVE_TIMES.flatMap((shape) =>
        rivals.map((rival) => atLeast(`${shape}: times ${rival}`, against(shape, rival), 5)),
      ),
      ...NOT_SLOWER.flatMap((shape) =>
        rivals.map((rival) => atLeast(`${shape}: times ${rival}`, against(shape, rival), 1)),
      ),
      ...rivals.map((rival) =>
        atLeast(`end-to-end: ${rival}'s p99 over ours`, inverse(against("end-to-end", rival, "p99Ms")), 1),
      ),
      atLeast(
        "orderly: share of concurrent consumption",
        ratio(cell("orderly", "pocketmq-orderly"), cell("orderly", "pocketmq"), "rate"),
        1 / 3,
      ),
      atLeast("pop: share of the drain", ratio(cell("pop", "pocketmq-pop"), cell("pop", "pocketmq"), "rate"), 1 / 3),
      atLeast(
        "exactly-once: share of the drain",
        ratio(cell("exactly-once", "pocketmq-exactly-once"), cell("exactly-once", "pocketmq"), "rate"),
        1 / 3,
      ),
      atLeast("outbox: share of the same by hand", only(cell("outbox", "pocketmq"), "ofByHand"), 0.8),
      atLeast("transacted-64: share of usual sends", only(cell("transacted-64", "pocketmq"), "ofSends"), 1 / 3),
      atLeast(
        "pending-halves: share of the rate without",
        only(cell("pending-halves", "pocketmq"), "ofRateWithout"),
        0.95,
      ),
      below("retry-storm: deliveries too many", only(cell("retry-storm", "pocketmq"), "extraDeliveries"), 1),
      below("timers: p99 late in their queue in ms", only(cell("timers", "pocketmq"), "aloneP99Ms"), 20),
      below("timers: p99 late at a listener in the same process in ms", only(cell("timers", "pocketmq"), "p99Ms"), 20),
      atLeast(
        "pending-timers: share of the rate without",
        only(cell("pending-timers", "pocketmq"), "ofRateWithout"),
        0.95,
      ),
      below("pending-timers: CPU while idle in %", only(cell("pending-timers", "pocketmq"), "idleCpuPercent"), 0.2),
      below("end-to-end: p99 beyond that of a bare fdatasync in ms", beyondSync(cell("end-to-end", "pocketmq")), 1),
      below("wake-up: p50 in ms", only(cell("wake-up", "pocketmq"), "p50Ms"), 5),
      below("wake-up: CPU while idle in %", only(cell("wake-up", "pocketmq"), "idleCpuPercent"), 0.5),
      below("pull-wake-up: p50 in ms", only(cell("pull-wake-up", "pocketmq"), "p50Ms"), 0.3),
      below("rebalance: p50 in ms", only(cell("rebalance", "pocketmq"), "p50Ms"), 50),
      below("rebalance: p50 in memory in ms", only(cell("rebalance", "pocketmq"), "memoryP50Ms"), 50),
      below("four-writers: longest wait in ms", only(cell("four-writers", "pocketmq"), "longestMs"), 3_000),
      atLeast("four-writers: slowest of the fastest", only(cell("four-writers", "pocketmq"), "slowestShare"), 0.5),
      below("four-writers: WAL in MB", only(cell("four-writers", "pocketmq"), "walMB"), 64),
      ...RETENTION.map((shape) =>
        below(`${shape}: most CPU ms of a statement`, only(cell(shape, "pocketmq"), "statementCpuMaxMs"), 10),
      ),
      below("memory: MB resident at the end", only(cell("memory", "pocketmq"), "rssMB"), 120),
      below(
        "cold-start: times a script that loads better-sqlite3",
        against("cold-start", "driver-loaded", "startMs"),
        1.5,
      ),
      below(
        "cold-start: times a script that only imports better-sqlite3",
        against("cold-start", "import-only", "startMs"),
        1.5,
      ),
    ];
    return verdicts.filter(({ found }) => found !== undefined).map((verdict) => ({ synchronous, ...verdict }));
  });
}

function atLeast(what, found, limit) {
  return { what, found, target: `≥ ${Number(limit.toFixed(2))}`, isMet: found >= limit };
}

function below(what, found, limit) {
  return { what, found, target: `< ${limit}`, isMet: found < limit };
}

/** At `normal` too: a checkpoint syncs within a commit, at this pace more often than once in a hundred. */
function beyondSync(cell) {
  return cell.length === 0 ? undefined : median(cell.map(({ figures }) => figures.p99Ms - figures.syncP99Ms));
}

const inverse = (quotient) => (quotient === undefined ? undefined : 1 / quotient);
const only = (cell, figure) => (cell.length === 0 ? undefined : median(cell.map(({ figures }) => figures[figure])));
