import { type Broker, type MessageView, openBroker } from "../index.js";
import { Stopwatch } from "../time/stopwatch.js";
import { CommandError } from "./command-error.js";
import { CountingGroup } from "./counting-group.js";
import { type DeadLetters, readDeadLetters } from "./dead-letters.js";
import { makeGroups } from "./demo-groups.js";
import { FLIGHTS, LATE_RULE } from "./demo-names.js";
import type { Display } from "./display-group.js";
import type { LateGroup } from "./late-group.js";
import { findLateRecords } from "./late-records.js";
import { whenQuiet, whenSilent } from "./quiet-groups.js";
import { findLastRun, type LoggedRun } from "./run-log.js";

export interface ResumeResult {
  readonly lastRun: LoggedRun;
  readonly topics: readonly TopicState[];
  readonly groups: readonly GroupState[];
  readonly displays: readonly DisplayState[];
  /** Compared with the last run; `undefined` in a store that was made before there was a group that fails. */
  readonly deadLetters: DeadLetters | undefined;
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

/** A group whose members share what it takes. */
export interface GroupState {
  readonly group: string;
  readonly expression: string;
  /** Messages behind the group's offsets when the store was opened, and when its members had listened for a while. */
  readonly lagBefore: number;
  readonly lagAfter: number;
  /** First deliveries. */
  readonly delivered: number;
  readonly retries: number;
  /** Whether it gets all of the lag: neither a filter nor failures of the last time make it pass some over. */
  readonly takesAll: boolean;
}

/** An instance of the broadcasting group. */
export interface DisplayState {
  readonly name: string;
  readonly delivered: number;
  /** Messages of the last run among them. */
  readonly ofLastRun: number;
  /** Whether they were the last ones of each queue, without a gap, each once. */
  readonly wasTheRest: boolean;
}

const LAST_MESSAGES = 5;
const RETRY_PREFIX = "%RETRY%";
/** How long the groups listen when nothing is left for them: what is there is delivered within a few milliseconds. */
const LISTEN_MS = 300;
/** How long a dead letter may be missing while nothing is delivered: a retry that an interrupted run has left is due after a second. */
const RETRY_MS = 5_000;

/** Opens the store of a run, lets the same groups consume what is left for them, and tells what is there. */
export async function resumeDemo(store: string, signal: AbortSignal): Promise<ResumeResult> {
  const mq = await openBroker({ path: store, autoCreateTopic: false });
  try {
    const topics = await mq.admin.listTopics();
    const lastRun = topics.some(({ topic }) => topic === FLIGHTS) ? await findLastRun(mq) : undefined;
    if (lastRun === undefined) throw new CommandError(`${store} holds no messages of the demo`);
    return {
      lastRun,
      ...(await consumeRest(mq, lastRun, signal)),
      topics: await topicStates(mq),
      lastMessages: await lastMessages(mq),
      problems: (await mq.admin.checkStore()).problems,
    };
  } finally {
    await mq.close({ graceMs: 2_000 });
  }
}

type Consumed = Pick<ResumeResult, "groups" | "displays" | "deadLetters">;

async function consumeRest(mq: Broker, { started }: LoggedRun, signal: AbortSignal): Promise<Consumed> {
  const { run, expression, late: rule = LATE_RULE } = started;
  const late = await findLateRecords(mq, FLIGHTS, run, rule);
  const groups = makeGroups(mq, {
    ...{ run, expression, rule, lateRows: late.rows },
    stopwatch: new Stopwatch(),
    onDelivered: () => undefined,
  });
  const known = new Set((await mq.admin.listGroups()).map(({ group }) => group));
  const isKnown = ({ group }: { readonly group: string }): boolean => known.has(group);
  const begun = groups.all.filter(isKnown);
  const sharing = [...groups.counting, groups.late].filter(isKnown);
  const before = new Map<string, number>();
  for (const { group } of sharing) before.set(group, await lagOf(mq, group, FLIGHTS));
  for (const group of begun) await group.start();
  await whenQuiet(begun, signal);
  const hasLate = isKnown(groups.late);
  if (hasLate) {
    const hasAll = async (): Promise<boolean> => (await readDeadLetters(mq, rule, run, late)).missing === 0;
    await whenQuiet([...begun, { delivered: 0, isAtRest: hasAll }], signal, RETRY_MS);
  }
  await whenSilent(begun, LISTEN_MS, signal);
  await whenQuiet(begun, signal);
  return {
    groups: await Promise.all(sharing.map((group) => groupState(mq, group, before.get(group.group) ?? 0))),
    displays: await Promise.all((isKnown(groups.displays) ? groups.displays.displays : []).map(displayState)),
    deadLetters: hasLate ? await readDeadLetters(mq, rule, run, late) : undefined,
  };
}

async function groupState(mq: Broker, group: CountingGroup | LateGroup, lagBefore: number): Promise<GroupState> {
  const isCounting = group instanceof CountingGroup;
  const expression = isCounting ? group.expression : "*";
  const delivered = isCounting ? group.delivered : group.firstDelivered;
  return {
    group: group.group,
    expression,
    lagBefore,
    lagAfter: await lagOf(mq, group.group),
    delivered,
    retries: group.delivered - delivered,
    takesAll: isCounting && expression === "*",
  };
}

async function displayState(display: Display): Promise<DisplayState> {
  const { name, delivered, consumed } = display;
  return { name, delivered, ofLastRun: consumed, wasTheRest: await display.gotTheRest() };
}

async function lagOf(mq: Broker, group: string, topic?: string): Promise<number> {
  return (await mq.admin.consumeStats(group, topic)).lag;
}

async function topicStates(mq: Broker): Promise<readonly TopicState[]> {
  const states: TopicState[] = [];
  for (const { topic } of await mq.admin.listTopics()) {
    const queues = await mq.admin.topicStats(topic);
    const times = queues.flatMap(({ lastStoreTimestamp }) => lastStoreTimestamp ?? []);
    const messages = queues.reduce((sum, { minOffset, maxOffset }) => sum + maxOffset - minOffset, 0);
    // Every group has a retry topic; few groups fail.
    if (messages === 0 && topic.startsWith(RETRY_PREFIX)) continue;
    states.push({
      topic,
      queues: queues.length,
      messages,
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
