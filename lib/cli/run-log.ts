import type { Broker, Producer } from "../index.js";
import { RUNS } from "./demo-names.js";
import type { LateRule } from "./late-rule.js";

/** Body of the message that a run leaves in the store when it begins. */
export interface RunStarted {
  readonly run: string;
  readonly input: string;
  readonly tagField: string;
  /** Of the group that takes a part; `undefined` where no record has a tag. */
  readonly expression: string | undefined;
  /** What the group that fails on late records takes for late; `undefined` in a store that was made before there was this group. */
  readonly late: LateRule | undefined;
}

/** … and when it ends. */
export interface RunFinished {
  readonly run: string;
  readonly records: number;
  readonly isRight: boolean;
}

/** A run as a later look finds it. */
export interface LoggedRun {
  readonly started: RunStarted & { readonly timestamp: number };
  /** `undefined` where the run was interrupted. */
  readonly finished: RunFinished | undefined;
}

export async function logStarted(mq: Broker, producer: Producer, body: RunStarted): Promise<void> {
  const topics = await mq.admin.listTopics();
  if (!topics.some(({ topic }) => topic === RUNS))
    await mq.admin.createTopic(RUNS, { readQueueNums: 1, writeQueueNums: 1 });
  await producer.send({ topic: RUNS, tag: "started", keys: [body.run], body: JSON.stringify(body) });
}

export async function logFinished(producer: Producer, body: RunFinished): Promise<void> {
  await producer.send({ topic: RUNS, tag: "finished", keys: [body.run], body: JSON.stringify(body) });
}

/** The run that began last; `undefined` in a store without one. */
export async function findLastRun(mq: Broker): Promise<LoggedRun | undefined> {
  const topics = await mq.admin.listTopics();
  if (!topics.some(({ topic }) => topic === RUNS)) return undefined;
  const [stats] = await mq.admin.topicStats(RUNS);
  if (stats === undefined) return undefined;
  // A run leaves two messages; those of others that ran beside it may lie between them.
  const from = Math.max(stats.minOffset, stats.maxOffset - 100);
  const messages = await mq.admin.browse(stats.queue, from, 100);
  const start = messages.findLast(({ tag }) => tag === "started");
  if (start === undefined) return undefined;
  const started = { ...start.json<RunStarted>(), timestamp: start.storeTimestamp };
  const finish = messages.findLast(({ tag, keys }) => tag === "finished" && keys.includes(started.run));
  return { started, finished: finish?.json<RunFinished>() };
}
