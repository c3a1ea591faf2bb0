/**
 * Deleting messages that were kept for long enough, as a broker does it when it is opened after a missed hour, while somebody sends: how long each statement took, those
 * that commit (in which the disk syncs) for themselves, how late a 1 ms timer fired, how long a send waited, until the space that is too much was given back. Then the same amount is stored again: the file must not have grown.
 */
import { statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import Database from "better-sqlite3";
import { bodyOf } from "../drivers/bodies.mjs";
import { Latencies, measured, perMessage, withLoopDelay } from "../harness/measured.mjs";
import { addMessages, topicOf } from "./retention/old-messages.mjs";
import { watchStatements } from "./retention/watched-statements.mjs";

const FOUR_DAYS_MS = 4 * 24 * 3_600_000;
const BETWEEN_SENDS_MS = 2;
const ALIVE = "alive";
/** What the last sends took. */
const SPARE_PAGES = 16;

function retentionScenario(name, title, messages, shape) {
  return {
    name,
    title,
    drivers: ["pocketmq"],
    batch: shape.perBlock,
    timeLimitMs: 1_800_000,
    messages,
    async run({ folder, synchronous, messages: count, profile }) {
      const path = join(folder, "store.db");
      const wanted = { ...shape, messages: count, inHand: Math.min(shape.inHand, count) };
      const { stored, ofFirstTopic } = await addMessages(path, wanted, Date.now() - FOUR_DAYS_MS);
      const before = statSync(path).size;
      // The group that is far behind holds up the first topic.
      const expected = shape.behind ? stored - ofFirstTopic : stored;

      const watched = watchStatements();
      const { openBroker } = await import("../../dist/esm/index.js");
      const sends = new Latencies();
      let sent = 0;
      const figures = await withLoopDelay(() =>
        measured(
          async () => {
            const broker = await openBroker({ path, synchronous });
            let gone = 0;
            broker.on("message:expired", ({ fromOffset, toOffset }) => {
              gone += toOffset - fromOffset;
            });
            const producer = broker.producer({ group: "bench-producer" });
            let isGivingBack = true;
            while (gone < expected || isGivingBack) {
              const start = performance.now();
              await producer.send({ topic: ALIVE, body: bodyOf(sent) });
              sends.record(performance.now() - start);
              sent += 1;
              await sleep(BETWEEN_SENDS_MS);
              if (gone === expected) isGivingBack = isMostlyFree(broker.database);
            }
            if (gone > expected) throw new Error(`${expected} messages were old and consumed, ${gone} were deleted`);
            await broker.close();
          },
          { profile },
        ),
      );
      watched.stop();
      if (process.env.POCKETMQ_BENCH_SLOWEST !== undefined) console.error(watched.dearest());
      verify(path, shape, stored - expected, sent);
      const after = statSync(path).size;

      await addMessages(path, { ...wanted, messages: expected, inHand: 0 }, Date.now());
      const again = statSync(path).size;
      if (again > before * 1.01)
        throw new Error(`the file had ${before} bytes, and ${again} when as much was stored again`);
      return {
        messages: expected,
        ...perMessage(figures, expected),
        statementP99Ms: watched.statements.percentile(99),
        statementMaxMs: watched.statements.maxMs,
        statementCpuMaxMs: watched.statements.cpuMaxMs,
        commitP99Ms: watched.commits.percentile(99),
        commitMaxMs: watched.commits.maxMs,
        commitCpuMaxMs: watched.commits.cpuMaxMs,
        loopDelayP99Ms: figures.loopDelayP99Ms,
        loopDelayMaxMs: figures.loopDelayMaxMs,
        sendMaxMs: sends.max,
        fileMB: before / 1e6,
        emptiedMB: after / 1e6,
        refilledMB: again / 1e6,
      };
    },
  };
}

/** Then the broker is giving back what is too much. */
function isMostlyFree(database) {
  const [free, all] = ["freelist_count", "page_count"].map((name) => database.pragma(name, { simple: true }));
  return free >= 4_096 && free > all / 4 + SPARE_PAGES;
}

function verify(path, { topics }, left, sent) {
  const database = new Database(path, { readonly: true });
  const count = database.prepare(
    "SELECT coalesce(sum(message_count), 0) FROM mq_log JOIN mq_queue USING (queue_key) WHERE topic = ?",
  );
  const of = (topic) => count.pluck().get(topic);
  const old = Array.from({ length: topics }, (_, topic) => of(topicOf(topic))).reduce((sum, each) => sum + each, 0);
  const alive = of(ALIVE);
  database.close();
  if (old !== left) throw new Error(`${left} messages were to stay, ${old} are stored`);
  if (alive !== sent) throw new Error(`${sent} were sent meanwhile, ${alive} are stored`);
}

const usual = { topics: 1, queues: 4, groups: 1, behind: false, inHand: 0 };

/** As many as fit into a block of 32 KiB. */
export const retention = retentionScenario(
  "retention",
  "10,000,000 old messages in full blocks, deleted",
  { full: 10_000_000, normal: 10_000_000, smoke: 20_000 },
  { ...usual, perBlock: 160 },
);

export const retentionSingle = retentionScenario(
  "retention-of-single",
  "1,000,000 old messages in as many blocks, deleted",
  { full: 1_000_000, normal: 1_000_000, smoke: 2_000 },
  { ...usual, perBlock: 1 },
);

export const retentionCrowded = retentionScenario(
  "retention-of-many",
  "1,000,000 old messages in 1,024 queues of 16 topics with 32 groups each, 100,000 in hand, and a group far behind",
  { full: 1_000_000, normal: 1_000_000, smoke: 20_480 },
  { topics: 16, queues: 64, groups: 32, behind: true, inHand: 100_000, perBlock: 10 },
);
