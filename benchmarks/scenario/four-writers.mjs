/** Four processes on one file, 64 loops each, that send without a pause for ten seconds: what they do together, and how fairly it is shared. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { statSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";

const [WRITERS, WIDTH] = [4, 64];
const LOOK_MS = 100;

export const fourWriters = {
  name: "four-writers",
  title: "four processes with 64 concurrent sends each",
  drivers: ["pocketmq"],
  batch: 1,
  /** Seconds. */
  messages: { full: 10, normal: 10, smoke: 1 },
  async run({ driver, folder, synchronous, messages: seconds }) {
    const path = join(folder, "store.db");
    const store = await driver.open(path, synchronous);
    await store.createTopic();
    await store.close();
    const alone = await write(path, synchronous, 1, Math.max(1, seconds / 4));
    const together = await write(path, synchronous, WRITERS, seconds);
    const sent = [...alone.writers, ...together.writers].reduce((sum, writer) => sum + writer.sent, 0);
    verify(path, sent);
    const counts = together.writers.map((writer) => writer.sent);
    return {
      messages: sent,
      rate: together.rate,
      p50Ms: Math.max(...together.writers.map(({ p50Ms }) => p50Ms)),
      p99Ms: Math.max(...together.writers.map(({ p99Ms }) => p99Ms)),
      longestMs: Math.max(...together.writers.map(({ maxMs }) => maxMs)),
      slowestShare: Math.min(...counts) / Math.max(...counts),
      ofOneProcess: together.rate / alone.rate,
      walMB: together.walMB,
    };
  },
};

/** A send that is refused ends its process, and so the trial. */
async function write(path, synchronous, count, seconds) {
  const script = new URL("processes/writer.mjs", import.meta.url);
  const children = Array.from({ length: count }, () => fork(script, [path, synchronous, WIDTH, seconds].map(String)));
  await Promise.all(children.map((child) => once(child, "message")));
  let walMB = 0;
  const timer = setInterval(() => {
    const size = statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0;
    walMB = Math.max(walMB, size / 1e6);
  }, LOOK_MS);
  const results = children.map((child) => once(child, "message"));
  for (const child of children) child.send("go");
  const writers = (await Promise.all(results)).map(([result]) => result);
  clearInterval(timer);
  const sent = writers.reduce((sum, writer) => sum + writer.sent, 0);
  return { writers, walMB, rate: sent / seconds };
}

function verify(path, sent) {
  const database = new Database(path, { readonly: true });
  const stored = database.prepare("SELECT sum(message_count) FROM mq_log").pluck().get();
  database.close();
  if (stored !== sent) throw new Error(`${sent} sends were resolved, ${stored} messages are stored`);
}
