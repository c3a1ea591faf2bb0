import { type Broker, type MessageView, openBroker } from "../index.js";
import { Stopwatch } from "../time/stopwatch.js";
import { CommandError } from "./command-error.js";
import { CountingGroup } from "./counting-group.js";
import { BOARD, BUSIEST, FLIGHTS } from "./demo-names.js";
import { pause, whenQuiet } from "./quiet-groups.js";
import { findLastRun, type LoggedRun } from "./run-log.js";

export interface ResumeResult {
  readonly lastRun: LoggedRun;
  readonly topics: readonly TopicState[];
  readonly groups: readonly GroupState[];
  /** Newest first. */
  readonly lastMessages: readonly MessageView[];
  readonly problems: readonly string[];
}

export interface TopicState {
  readonly topic: string;
  readonly queues: number;
  readonly messages: number;
  /** Epoch milliseconds; `undefined` while the topic is empty. */
  readonly lastStoreTimestamp: number | undefined;
}

export interface GroupState {
  readonly group: string;
  readonly expression: string;
  /** Messages behind the group's offsets when the store was opened, and when its members had listened for a while. */
  readonly lagBefore: number;
  readonly lagAfter: number;
  readonly delivered: number;
}

const LAST_MESSAGES = 5;
/** How long the groups listen when nothing is left for them: what is there is delivered within a few milliseconds. */
const LISTEN_MS = 300;

/** Opens the store of a run, lets the same groups consume what is left for them, and tells what is there. */
export async function resumeDemo(store: string, signal: AbortSignal): Promise<ResumeResult> {
  const mq = await openBroker({ path: store, autoCreateTopic: false });
  try {
    const topics = await mq.admin.listTopics();
    const lastRun = topics.some(({ topic }) => topic === FLIGHTS) ? await findLastRun(mq) : undefined;
    if (lastRun === undefined) throw new CommandError(`${store} holds no messages of the demo`);
    return {
      lastRun,
      groups: await consumeRest(mq, lastRun, signal),
      topics: await topicStates(mq),
      lastMessages: await lastMessages(mq),
      problems: (await mq.admin.checkStore()).problems,
    };
  } finally {
    await mq.close({ graceMs: 2_000 });
  }
}

async function consumeRest(mq: Broker, { started }: LoggedRun, signal: AbortSignal): Promise<readonly GroupState[]> {
  const common = { topic: FLIGHTS, run: started.run, stopwatch: new Stopwatch(), onDelivered: () => undefined };
  const groups = [
    new CountingGroup(mq, { ...common, group: BOARD.group, memberNames: BOARD.members, expression: "*" }),
  ];
  const { expression } = started;
  if (expression !== undefined) {
    groups.push(new CountingGroup(mq, { ...common, group: BUSIEST.group, memberNames: BUSIEST.members, expression }));
  }
  const known = new Set((await mq.admin.listGroups()).map(({ group }) => group));
  const before = new Map<string, number>();
  for (const { group } of groups) before.set(group, known.has(group) ? await lagOf(mq, group) : 0);
  for (const group of groups) await group.start();
  await whenQuiet(mq, groups, () => false, signal);
  await pause(LISTEN_MS, signal);
  const states: GroupState[] = [];
  for (const { group, expression: filter, delivered } of groups) {
    states.push({
      group,
      expression: filter,
      lagBefore: before.get(group) ?? 0,
      lagAfter: await lagOf(mq, group),
      delivered,
    });
  }
  return states;
}

async function lagOf(mq: Broker, group: string): Promise<number> {
  return (await mq.admin.consumeStats(group, FLIGHTS)).lag;
}

async function topicStates(mq: Broker): Promise<readonly TopicState[]> {
  const states: TopicState[] = [];
  for (const { topic } of await mq.admin.listTopics()) {
    const queues = await mq.admin.topicStats(topic);
    const times = queues.flatMap(({ lastStoreTimestamp }) => lastStoreTimestamp ?? []);
    states.push({
      topic,
      queues: queues.length,
      messages: queues.reduce((sum, { minOffset, maxOffset }) => sum + maxOffset - minOffset, 0),
      lastStoreTimestamp: times.length === 0 ? undefined : Math.max(...times),
    });
  }
  return states;
}

async function lastMessages(mq: Broker): Promise<readonly MessageView[]> {
  const messages: MessageView[] = [];
  for (const { queue, minOffset, maxOffset } of await mq.admin.topicStats(FLIGHTS)) {
    if (maxOffset === minOffset) continue;
    messages.push(...(await mq.admin.browse(queue, Math.max(minOffset, maxOffset - LAST_MESSAGES), LAST_MESSAGES)));
  }
  // Sent in this order; in the log the messages of one commit lie together by queue.
  return messages.sort(bySending).reverse().slice(0, LAST_MESSAGES);
}

/** Ids of one process grow. */
function bySending(a: MessageView, b: MessageView): number {
  return a.bornTimestamp - b.bornTimestamp || (a.messageId < b.messageId ? -1 : 1);
}
