import type { GroupState, ResumeResult } from "./demo-resume.js";
import { count, counted, localTime } from "./number-format.js";
import { type Column, table } from "./table.js";

/** A group that takes everything gets exactly what was left; a filter may pass some of it over. */
export function isResumeRight({ groups, problems }: ResumeResult): boolean {
  return problems.length === 0 && groups.every(isGroupRight);
}

function isGroupRight({ expression, lagBefore, lagAfter, delivered }: GroupState): boolean {
  if (lagAfter !== 0) return false;
  return expression === "*" ? delivered === lagBefore : delivered <= lagBefore;
}

/** The result for people. */
export function resumeReport(result: ResumeResult, store: string): string {
  const { lastRun, topics, groups, lastMessages, problems } = result;
  const { started, finished } = lastRun;
  const end = finished === undefined ? "was interrupted" : `sent ${counted(finished.records, "record")}`;
  const lines = [
    `Store: ${store}`,
    `The last run began ${localTime(started.timestamp)} with ${started.input === "-" ? "standard input" : started.input} and ${end}.`,
    "",
    table(
      TOPIC_COLUMNS,
      topics.map(({ topic, queues, messages, lastStoreTimestamp }) => [
        topic,
        count(queues),
        count(messages),
        lastStoreTimestamp === undefined ? "never" : localTime(lastStoreTimestamp),
      ]),
    ),
    table(
      GROUP_COLUMNS,
      groups.map(({ group, lagBefore, lagAfter, delivered, expression }) => [
        group,
        count(lagBefore),
        count(delivered),
        count(lagAfter),
        expression === "*" ? "every message" : expression,
      ]),
    ),
    table(
      MESSAGE_COLUMNS,
      lastMessages.map(({ messageId, queueId, queueOffset, tag, keys }) => [
        messageId,
        `${queueId}/${queueOffset}`,
        tag ?? "(none)",
        keys.join(" "),
      ]),
    ),
    deliveryVerdict(groups),
    problems.length === 0 ? "The store is whole." : "THE STORE HAS PROBLEMS:",
    ...problems.map((problem) => `  ${problem}`),
  ];
  return `${lines.join("\n")}\n`;
}

/** The result for machines. */
export function resumeJson(result: ResumeResult, store: string): object {
  return {
    ok: isResumeRight(result),
    store,
    ...result,
    lastMessages: result.lastMessages.map((message) => ({
      messageId: message.messageId,
      queueId: message.queueId,
      queueOffset: message.queueOffset,
      tag: message.tag,
      keys: message.keys,
      storeTimestamp: message.storeTimestamp,
      body: message.text(),
    })),
  };
}

const TOPIC_COLUMNS: readonly Column[] = [
  { title: "topic", align: "left" },
  { title: "queues", align: "right" },
  { title: "messages", align: "right" },
  { title: "last stored", align: "left" },
];

const GROUP_COLUMNS: readonly Column[] = [
  { title: "group", align: "left" },
  { title: "waiting", align: "right" },
  { title: "delivered", align: "right" },
  { title: "still waiting", align: "right" },
  { title: "takes", align: "left" },
];

const MESSAGE_COLUMNS: readonly Column[] = [
  { title: "last messages", align: "left" },
  { title: "queue/offset", align: "right" },
  { title: "tag", align: "left" },
  { title: "key", align: "left" },
];

function deliveryVerdict(groups: readonly GroupState[]): string {
  if (!groups.every(isGroupRight)) return "WHAT WAS DELIVERED IS NOT WHAT WAS WAITING.";
  const delivered = groups.reduce((sum, group) => sum + group.delivered, 0);
  if (delivered === 0) return "Nothing was delivered again: every message had been consumed.";
  return `${counted(delivered, "delivery", "deliveries")} made up for the interrupted run; nothing else was delivered again.`;
}
