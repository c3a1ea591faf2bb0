import type Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import {
  isMqError,
  type MessageView,
  type MqError,
  type TransactionReceipt,
  type TransactionResolution,
} from "../../lib/index.js";
import { sysFlagAt } from "../../lib/message/record.js";
import { loadFacts } from "../support/facts.js";
import { openTestPort } from "../support/local-broker.js";
import { delivered, withPlaceholders } from "../support/recorded-message.js";
import { browseQueue } from "../support/shared-connection.js";
import { openRecordedBroker } from "../support/test-broker.js";

interface RecordedMessage {
  readonly topic: string;
  readonly properties: Readonly<Record<string, string>>;
  readonly transactionId: string | null;
  readonly sysFlag: number;
}

interface RecordedTransaction {
  readonly sendResult: {
    readonly topic: string;
    readonly queueId: number;
    readonly sendStatus: string;
    readonly localTransactionState: "COMMIT_MESSAGE" | "ROLLBACK_MESSAGE" | "UNKNOW";
  };
  readonly executeLocalTransactionSaw: {
    readonly arg: string;
    readonly topic: string;
    readonly transactionId: string;
    readonly properties: Readonly<Record<string, string>>;
  };
  readonly checks: readonly { readonly secondsAfterSend: number; readonly message: RecordedMessage }[];
  readonly deliveries: number;
  readonly delivered: RecordedMessage | null;
  readonly transCheckMaxTimeRecords: readonly RecordedMessage[];
}

interface RecordedAnswer {
  readonly what: string;
  readonly response: { readonly code?: number; readonly remark?: string | null };
}

const facts = loadFacts("transactions");
const SECOND = 1_000;
const TOPIC = "Tx";
/** A round of the recorded check service took a second, and began 3 s after the last one had ended. */
const ROUND = 4 * SECOND;
/** The recorded messages were sent so long before a round. */
const BEFORE_ROUND = 1_500;

type Answer = () => TransactionResolution;

interface Outcome {
  readonly receipt: TransactionReceipt;
  readonly arg: unknown;
  readonly saw: MessageView | undefined;
  readonly checks: readonly { readonly afterMs: number; readonly view: MessageView }[];
  readonly delivered: readonly MessageView[];
  readonly givenUp: readonly MessageView[];
  readonly sysFlag: number | undefined;
}

interface Scenario {
  readonly fact: string;
  readonly local: Answer;
  /** At each check in turn; the last one goes on. */
  readonly checks?: readonly Answer[];
  readonly immunitySeconds?: number;
  readonly delayLevel?: number;
}

const fail = (): never => {
  throw new Error("local transaction failed");
};

const SCENARIOS: readonly Scenario[] = [
  { fact: "commit", local: () => "commit" },
  { fact: "rollback", local: () => "rollback" },
  { fact: "delay-level-dropped", local: () => "commit", delayLevel: 3 },
  { fact: "local-throws", local: fail, checks: [() => "commit"] },
  { fact: "local-null", local: () => null as unknown as TransactionResolution, checks: [() => "commit"] },
  { fact: "unknow-then-rollback", local: () => "unknown", checks: [() => "rollback"] },
  { fact: "unknow-then-commit", local: () => "unknown", checks: [() => "unknown", () => "commit"] },
  { fact: "check-throws", local: () => "unknown", checks: [fail, () => "commit"] },
  { fact: "unknow-forever", local: () => "unknown", checks: [() => "unknown"] },
  { fact: "check-immunity", local: () => "unknown", checks: [() => "commit"], immunitySeconds: 6 },
];

async function observe({ fact, local, checks = [], immunitySeconds, delayLevel }: Scenario): Promise<Outcome> {
  const transaction = { timeoutMs: 3 * SECOND, checkIntervalMs: ROUND, checkMax: 3 };
  await using broker = await openRecordedBroker({ defaultQueueCount: 1, transaction });
  const { mq, clock } = broker;
  const [asked, consumed] = [[] as { afterMs: number; view: MessageView }[], [] as MessageView[]];
  let [saw, arg]: [MessageView | undefined, unknown] = [undefined, undefined];
  await clock.advance(ROUND - BEFORE_ROUND);
  const sentAt = clock.now();
  const producer = mq.transactionProducer<string>({
    group: `pg-${fact}`,
    executeLocalTransaction: (view, given) => {
      [saw, arg] = [view, given];
      return local();
    },
    checkLocalTransaction: (view) => {
      asked.push({ afterMs: clock.now() - sentAt, view });
      return (checks[asked.length - 1] ?? checks.at(-1))?.() ?? "unknown";
    },
  });
  await producer.start();
  await mq
    .pushConsumer({ group: "g", subscriptions: { [TOPIC]: "*" }, listener: (view) => void consumed.push(view) })
    .start();
  // Each was one of many in the half queue: the fourth where that shows.
  const other = mq.transactionProducer({ group: "pg-other", checkLocalTransaction: () => "unknown" });
  await other.start();
  for (let place = 0; place < 3; place += 1) {
    const transaction = other.beginTransaction();
    await transaction.send({ topic: "Other", body: "x" });
    await transaction.rollback();
  }
  await other.close();
  const message = { topic: TOPIC, tag: "T", keys: [`k-${fact}`], body: fact };
  const properties = immunitySeconds && { properties: { CHECK_IMMUNITY_TIME_IN_SECONDS: `${immunitySeconds}` } };
  const receipt = await producer.sendInTransaction(
    { ...message, ...properties, ...(delayLevel && { delayLevel }) },
    "arg",
  );
  await clock.advance(30 * SECOND);
  const givenUp: readonly MessageView[] = await browseQueue(mq, "TRANS_CHECK_MAX_TIME_TOPIC").catch(() => []);
  const rows = (mq.database as Database.Database)
    .prepare("SELECT records FROM mq_log JOIN mq_queue USING (queue_key) WHERE topic = ?")
    .pluck()
    .all(TOPIC) as Buffer[];
  const sysFlag = rows[0] && sysFlagAt(rows[0], 0);
  return { receipt, arg, saw, checks: asked, delivered: consumed, givenUp, sysFlag };
}

/** What says nothing of the transaction, and where it lay among others. */
const UNRELATED = ["MIN_OFFSET", "MAX_OFFSET", "CLUSTER", "MSG_REGION", "TRACE_ON"];

function without(properties: Readonly<Record<string, string>>, ...names: readonly string[]): object {
  const left = Object.entries(properties).filter(([name]) => ![...UNRELATED, ...names].includes(name));
  return Object.fromEntries(left.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Ids by their numbers, as the facts have them. */
function propertiesOf(view: MessageView): object {
  const { messageId } = view;
  const { properties } = withPlaceholders(delivered(view));
  const named = Object.entries(properties).map(([name, value]) => [name, value === messageId ? "<uniqKey#1>" : value]);
  return without(Object.fromEntries(named));
}

function stateOf({ localTransactionState }: RecordedTransaction["sendResult"]): string {
  const states = { COMMIT_MESSAGE: "commit", ROLLBACK_MESSAGE: "rollback", UNKNOW: "unknown" };
  return states[localTransactionState];
}

describe("a transaction as it was recorded", () => {
  it.each(SCENARIOS)(
    "$fact: what its producer is told, is asked and when, and what becomes of the message",
    async (scenario) => {
      const recorded = facts.observed<RecordedTransaction>(scenario.fact);

      const outcome = await observe(scenario);

      const { receipt, saw } = outcome;
      const id = receipt.messageId;
      expect(receipt).toMatchObject({
        ...{ messageId: id, transactionId: id, topic: recorded.sendResult.topic, queueId: recorded.sendResult.queueId },
        ...{ status: recorded.sendResult.sendStatus, localTransactionState: stateOf(recorded.sendResult) },
      });
      const local = recorded.executeLocalTransactionSaw;
      expect([outcome.arg, saw?.topic, saw?.transactionId]).toEqual([local.arg, local.topic, id]);
      // RocketMQ's client adds it once the half message is stored; a view says it in `transactionId`.
      expect(propertiesOf(saw as MessageView)).toEqual(without(local.properties, "__transactionId__"));
      expect(outcome.checks.map(({ view }) => propertiesOf(view))).toEqual(
        recorded.checks.map(({ message }) => without(message.properties)),
      );
      expect(outcome.checks.map(({ view }) => view.transactionId)).toEqual(recorded.checks.map(() => id));
      for (const [index, { afterMs }] of outcome.checks.entries())
        expect(Math.abs(afterMs / SECOND - (recorded.checks[index]?.secondsAfterSend ?? 0))).toBeLessThan(1);
      expect(outcome.delivered.length).toBe(recorded.deliveries);
      const recordedDeliveries = recorded.delivered === null ? [] : [recorded.delivered];
      expect(outcome.delivered.map(propertiesOf)).toEqual(
        recordedDeliveries.map(({ properties }) => without(properties)),
      );
      expect(outcome.delivered.map(({ transactionId }) => transactionId)).toEqual(recordedDeliveries.map(() => id));
      expect(outcome.sysFlag).toBe(recorded.delivered?.sysFlag);
      expect(outcome.givenUp.map(propertiesOf)).toEqual(
        recorded.transCheckMaxTimeRecords.map(({ properties }) => without(properties)),
      );
    },
  );
});

describe("the end of a transaction as it was recorded", () => {
  const { responses } = facts.observed<{ readonly responses: readonly RecordedAnswer[] }>("end-transaction-requests");
  const answerTo = (what: string): RecordedAnswer["response"] => {
    const answer = responses.find((each) => each.what === what);
    if (answer === undefined) throw new Error(`no answer to "${what}" was recorded`);
    return answer.response;
  };

  it("is refused with RocketMQ's code and remark for another producer group, and where there is no such message", async () => {
    await using test = await openTestPort({ profile: "rocketmq", defaultQueueCount: 1 });
    const producer = test.mq.transactionProducer({ group: "pg", checkLocalTransaction: () => "unknown" });
    await producer.start();
    const { transactionId = "", queueOffset: halfOffset } = await producer
      .beginTransaction()
      .send({ topic: TOPIC, body: "x" });
    const end = { transactionId, halfOffset, producerGroup: "pg", end: "commit" } as const;

    const ofAnother = await failure(test.port.endTransaction({ ...end, producerGroup: "another" }));
    const committed = await test.port.endTransaction(end);
    const again = await failure(test.port.endTransaction(end));

    const missing = loadFacts("validation").observed<RecordedAnswer["response"]>("raw-end-transaction-missing");
    expectAnswer(ofAnother, answerTo("37 of another producer group"));
    expect([committed, answerTo("37 commit").code]).toEqual([true, 0]);
    expectAnswer(again, missing);
    expect(await browseQueue(test.mq, TOPIC)).toHaveLength(1);
  });

  it("needs a listener, as RocketMQ's client says", async () => {
    await using broker = await openRecordedBroker();
    const producer = broker.mq.transactionProducer({ group: "pg", checkLocalTransaction: () => "unknown" });
    await producer.start();
    const recorded = loadFacts("validation").error("transaction-no-listener");

    const error = await failure(producer.sendInTransaction({ topic: TOPIC, body: "x" }));

    expect(error).toMatchObject({ code: "ERR_MQ_TRANSACTION", responseCode: recorded?.responseCode });
  });
});

async function failure(call: Promise<unknown>): Promise<MqError> {
  const error: unknown = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (isMqError(error)) return error;
  throw new Error("the call did not fail with an error of ours");
}

function expectAnswer(error: MqError, { code, remark }: RecordedAnswer["response"]): void {
  expect(error.responseCode).toBe(code);
  expect(error.message).toContain(remark);
}
