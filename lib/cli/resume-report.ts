import { deadLetterJson, deadLetterReport } from "./dead-letter-report.js";
import type { DisplayState, GroupState, ResumeResult } from "./demo-resume.js";
import { count, counted, localTime } from "./number-format.js";
import type { LoggedRun } from "./run-log.js";
import { type Column, table } from "./table.js";

/** Whether the groups got what was left for them, and nothing else. */
export function isResumeRight(result: ResumeResult): boolean {
  const { deadLetters, problems } = result;
  return problems.length === 0 && isDeliveryRight(result) && (deadLetters?.isRight ?? true);
}

function isDeliveryRight({ lastRun, groups, displays }: ResumeResult): boolean {
  return groups.every(isGroupRight) && displays.every((display) => isDisplayRight(display, lastRun));
}

/** A group that takes everything gets exactly what was left; others pass some of it over. */
function isGroupRight({ takesAll, lagBefore, lagAfter, delivered }: GroupState): boolean {
  if (lagAfter !== 0) return false;
  return takesAll ? delivered === lagBefore : delivered <= lagBefore;
}

/** Where an instance had stopped nobody else knows; but after a run that ended well it had everything of that run. */
function isDisplayRight({ wasTheRest, ofLastRun }: DisplayState, { finished }: LoggedRun): boolean {
  return wasTheRest && (ofLastRun === 0 || finished?.isRight !== true);
}

/** The result for people. */
export function resumeReport(result: ResumeResult, store: string): string {
  const { lastRun, topics, groups, displays, deadLetters, lastMessages, problems } = result;
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
      groups.map(({ group, lagBefore, lagAfter, delivered, retries, expression }) => [
        group,
        count(lagBefore),
        retries === 0 ? count(delivered) : `${count(delivered)} + ${counted(retries, "retry", "retries")}`,
        count(lagAfter),
        expression === "*" ? "every message" : expression,
      ]),
    ),
    ...(displays.length === 0 ? [] : [table(DISPLAY_COLUMNS, displays.map(displayRow))]),
    ...(deadLetters === undefined ? [] : [deadLetterReport(deadLetters, started.tagField)]),
    table(
      MESSAGE_COLUMNS,
      lastMessages.map(({ messageId, queueId, queueOffset, tag, keys }) => [
        messageId,
        `${queueId}/${queueOffset}`,
        tag ?? "(none)",
        keys.join(" "),
      ]),
    ),
    deliveryVerdict(result),
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
    deadLetters: result.deadLetters === undefined ? undefined : deadLetterJson(result.deadLetters),
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

const DISPLAY_COLUMNS: readonly Column[] = [
  { title: "display", align: "left" },
  { title: "delivered", align: "right" },
  { title: "takes", align: "left" },
];

const MESSAGE_COLUMNS: readonly Column[] = [
  { title: "last messages", align: "left" },
  { title: "queue/offset", align: "right" },
  { title: "tag", align: "left" },
  { title: "key", align: "left" },
];

function displayRow({ name, delivered, wasTheRest }: DisplayState): readonly string[] {
  return [name, count(delivered), `every message${wasTheRest ? "" : ", BUT WHAT CAME WAS NOT WHAT FOLLOWED"}`];
}

function deliveryVerdict(result: ResumeResult): string {
  if (!isDeliveryRight(result)) return "WHAT WAS DELIVERED IS NOT WHAT WAS WAITING.";
  const { groups, displays } = result;
  const shared = groups.reduce((sum, { delivered, retries }) => sum + delivered + retries, 0);
  const delivered = displays.reduce((sum, display) => sum + display.delivered, shared);
  if (delivered === 0) return "Nothing was delivered again: every message had been consumed.";
  return `${counted(delivered, "delivery", "deliveries")} made up for the interrupted run; nothing else was delivered again.`;
}
