import { openBroker, systemClock } from "../index.js";
import { table } from "./table.js";
import type { Terminal } from "./terminal.js";
import { isTutorialRight, runTutorial, TUTORIAL_MESSAGES, type TutorialResult } from "./transaction-tutorial.js";

/** So much shorter than RocketMQ's, and so few checks, that all is over within two seconds. */
const TIMES = { timeoutMs: 300, checkIntervalMs: 500, checkMax: 3 } as const;

const COLUMNS = [
  { title: "seconds", align: "right" },
  { title: "message", align: "left" },
  { title: "tag", align: "left" },
  { title: "what happens", align: "left" },
] as const;

/** Runs RocketMQ's tutorial on transactions in memory, and shows what becomes of its five messages. @returns the exit code. */
export async function demonstrateTransactions(json: boolean, { stdout, signal }: Terminal): Promise<number> {
  await using mq = await openBroker({ path: ":memory:", transaction: TIMES });
  const result = await runTutorial(mq, () => systemClock.now(), signal);
  stdout.write(json ? `${JSON.stringify(tutorialJson(result))}\n` : tutorialReport(result));
  return isTutorialRight(result) ? 0 : 1;
}

function tutorialJson(result: TutorialResult): object {
  const { events, fates } = result;
  return { isRight: isTutorialRight(result), fates: Object.fromEntries(fates), events };
}

function tutorialReport({ events, fates }: TutorialResult): string {
  const { timeoutMs, checkIntervalMs, checkMax } = TIMES;
  const rows = events.map(({ atMs, body, tag, what }) => [(atMs / 1_000).toFixed(2), body, tag, what]);
  const ends = TUTORIAL_MESSAGES.map(({ body, fate }) => {
    const found = fates.get(body);
    return `  ${body}  ${found === fate ? `${fate}, as it should be` : `${found ?? "lost"}; it should be ${fate}`}`;
  });
  return `Five messages in transactions. TagA is committed, TagB rolled back; of TagC nobody knows, so that its producer is
asked after ${timeoutMs} ms, then every ${checkIntervalMs} ms, ${checkMax} times at most (RocketMQ: 6 s, 30 s, 15 times).

${table(COLUMNS, rows)}
${ends.join("\n")}
`;
}
