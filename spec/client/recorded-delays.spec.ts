import { describe, expect, it } from "vitest";
import type { AppendRequest } from "../../lib/broker/broker-port.js";
import type { MessageView } from "../../lib/index.js";
import type { MessageDelay } from "../../lib/message/message-delay.js";
import { prepareMessage } from "../../lib/message/message-validation.js";
import { formatRecallHandle, parseRecallHandle } from "../../lib/message/recall-handle.js";
import { loadFacts } from "../support/facts.js";
import { openTestPort, type TestPort } from "../support/local-broker.js";
import { delivered, withPlaceholders } from "../support/recorded-message.js";
import { storedIn } from "../support/shared-connection.js";
import { openRecordedBroker } from "../support/test-broker.js";

interface RecordedDelay {
  readonly sendResult: { readonly recallHandle: string | null };
  readonly stored: { readonly properties: Readonly<Record<string, string>> } | null;
  readonly delivered: { readonly properties: Readonly<Record<string, string>> } | null;
  readonly secondsFromSendToDelivery: number;
  readonly timerOutMsMinusSend?: number;
}

const facts = loadFacts("delay");
const SECOND = 1_000;
const TIMES = ["TIMER_DELIVER_MS", "TIMER_OUT_MS", "TIMER_ENQUEUE_MS", "TIMER_DEQUEUE_MS"];

interface Outcome {
  readonly sentAt: number;
  readonly queueOffset: number;
  readonly recallAt: number | undefined;
  readonly delivered: MessageView | undefined;
  readonly deliveredAt: number;
}

/** What becomes of a message within a minute whose properties say this, sent so many milliseconds after a whole second. */
async function observe(test: TestPort, delay: (now: number) => MessageDelay, millisecond: number): Promise<Outcome> {
  const { mq, port, clock } = test;
  let [message, deliveredAt] = [undefined as MessageView | undefined, 0];
  await mq.admin.createTopic("Dly", { readQueueNums: 1, writeQueueNums: 1 });
  await mq
    .pushConsumer({
      group: "g-dly",
      subscriptions: { Dly: "*" },
      listener: (view) => {
        message = view;
        deliveredAt = clock.now();
      },
    })
    .start();
  await clock.advance(SECOND - (clock.now() % SECOND) + millisecond);
  const sentAt = clock.now();
  const prepared = prepareMessage({ topic: "Dly", tag: "T", keys: "k", body: "x" }, { maxMessageSize: 1_000 });
  const outgoing = {
    ...prepared,
    ...{ sysFlag: 0, bornTimestamp: sentAt, reconsumeTimes: 0, uniqueId: "0".repeat(32) },
    ...{ queueOffset: -1, commitLogOffset: -1 },
  };
  const request: AppendRequest = {
    ...{ topic: "Dly", queueId: 0, messages: [outgoing], bytes: 1, deadline: sentAt + SECOND },
    delay: delay(sentAt),
  };
  await new Promise<void>((stored, failed) => {
    port.append(request, { stored, failed });
    void clock.settle();
  });
  const { queueOffset } = outgoing;
  const recallAt = request.delayed?.recallAt;
  await clock.advance(60 * SECOND);
  return { sentAt, queueOffset, recallAt, delivered: message, deliveredAt };
}

/** With the times that vary from run to run. */
function propertiesOf(message: MessageView): Readonly<Record<string, string>> {
  const { properties } = withPlaceholders(delivered(message));
  const { MAX_OFFSET: _max, MIN_OFFSET: _min, ...others } = properties;
  return Object.fromEntries(
    Object.entries(others).map(([name, value]) => [name, TIMES.includes(name) ? "<ts>" : value]),
  );
}

function recordedProperties(properties: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const { MAX_OFFSET: _max, MIN_OFFSET: _min, ...others } = properties;
  return others;
}

const DELAYS: readonly (readonly [fact: string, delay: (now: number) => MessageDelay])[] = [
  ["level-0", () => ({ level: 0 })],
  ["level-minus-1", () => ({ level: -1 })],
  ["level-1", () => ({ level: 1 })],
  ["level-2", () => ({ level: 2 })],
  ["level-3", () => ({ level: 3 })],
  ["level-and-timer", () => ({ level: 1, delaySeconds: 60 })],
  ["timer-delay-ms-1", () => ({ delayMs: 1 })],
  ["timer-delay-ms-500", () => ({ delayMs: 500 })],
  ["timer-delay-ms-2500", () => ({ delayMs: 2_500 })],
  ["timer-delay-sec-3", () => ({ delaySeconds: 3 })],
  ["timer-deliver-ms-exact-second", (now) => ({ deliverAt: Math.ceil(now / SECOND) * SECOND + 4 * SECOND })],
  ["timer-deliver-ms-past", (now) => ({ deliverAt: now - 5_000 })],
  ["timer-deliver-ms-zero", () => ({ delayMs: 0 })],
  ["timer-sec-wins-over-deliver", (now) => ({ delaySeconds: 2, deliverAt: now + 60_000 })],
];

describe("a message that asks for a delay", () => {
  it.each(DELAYS)("is delivered as recorded in %s", async (fact, delay) => {
    await using test = await openTestPort({ profile: "rocketmq" });
    const recorded = facts.observed<RecordedDelay>(fact);
    const outMinusSend = recorded.timerOutMsMinusSend ?? 0;

    const outcome = await observe(test, delay, (SECOND - (outMinusSend % SECOND)) % SECOND);

    const { sentAt, deliveredAt } = outcome;
    expect(propertiesOf(outcome.delivered as MessageView)).toEqual(
      recordedProperties(recorded.delivered?.properties ?? {}),
    );
    expect([outcome.queueOffset < 0, outcome.recallAt !== undefined]).toEqual([
      recorded.stored !== null,
      recorded.sendResult.recallHandle !== null,
    ]);
    // Measured on a busy machine.
    const late = recorded.secondsFromSendToDelivery - (deliveredAt - sentAt) / SECOND;
    expect(late).toBeGreaterThanOrEqual(-0.05);
    expect(late).toBeLessThan(0.5 + 0.1 * recorded.secondsFromSendToDelivery);
    if (recorded.timerOutMsMinusSend === undefined) return;
    const outAt = Number(outcome.delivered?.systemProperties["TIMER_OUT_MS"]);
    expect([outAt - sentAt, outcome.recallAt]).toEqual([recorded.timerOutMsMinusSend, outAt + 1]);
    expect(deliveredAt).toBe(outAt + SECOND);
  });

  it.each(["level-19", "level-100"])("waits as long as the last level: %s", async (fact) => {
    await using test = await openTestPort({ profile: "rocketmq" });
    const level = Number(fact.slice("level-".length));
    const recorded = facts.observed<RecordedDelay>(fact);

    const outcome = await observe(test, () => ({ level }), 0);
    await test.clock.advance(outcome.sentAt + 7_200_000 - test.clock.now());

    const [message] = await test.mq.admin.browse({ topic: "Dly", brokerName: "broker-a", queueId: 0 }, 0, 1);
    expect(outcome.delivered).toBeUndefined();
    expect(message?.systemProperties["DELAY"]).toBe(recorded.stored?.properties["DELAY"]);
  });

  it("comes in the order of the sends of its level, as recorded in same-level-order", async () => {
    await using broker = await openRecordedBroker({ defaultQueueCount: 1 });
    const producer = broker.mq.producer({ group: "shop" });
    const recorded = facts.observed<readonly string[]>("same-level-order");
    for (const body of recorded) await producer.send({ topic: "Dly", body, delayLevel: 1 });

    await broker.clock.advance(SECOND);

    expect(await storedIn(broker.mq, "Dly")).toEqual(recorded.map((body, offset) => `${offset} ${body}`));
  });

  it("waits for as long as its level by default, as recorded in broker-config", async () => {
    const { messageDelayLevel, timerMaxDelaySec, timerPrecisionMs, recallMessageEnable } =
      facts.observed<Readonly<Record<string, string>>>("broker-config");
    await using given = await openRecordedBroker({ messageDelayLevels: messageDelayLevel });
    await using usual = await openRecordedBroker();
    const times: number[][] = [];
    for (const { mq, clock } of [given, usual]) {
      const stored: number[] = [];
      mq.on("message:stored", () => void stored.push(clock.now()));
      const producer = mq.producer({ group: "shop" });
      const sentAt = clock.now();
      for (let delayLevel = 1; delayLevel <= 18; delayLevel += 1)
        await producer.send({ topic: "Dly", body: "x", delayLevel });
      await clock.advance(7_200_000);
      times.push(stored.map((at) => at - sentAt));
      const limit = Number(timerMaxDelaySec) * SECOND;
      await producer.send({ topic: "Dly", body: "x", delayMs: limit });
      await expect(producer.send({ topic: "Dly", body: "x", delayMs: limit + 1 })).rejects.toMatchObject({
        responseCode: 13,
      });
    }

    expect(times[0]).toHaveLength(18);
    expect(times[1]).toEqual(times[0]);
    expect([timerPrecisionMs, recallMessageEnable]).toEqual(["1000", "false"]);
  });
});

describe("what a producer may ask for", () => {
  const validation = loadFacts("validation");
  const DAYS = 3 * 24 * 3_600;
  const ASKED: Readonly<Record<string, (now: number) => object>> = {
    "delay-level-0": () => ({ delayLevel: 0 }),
    "delay-level-negative": () => ({ delayLevel: -1 }),
    "delay-level-19": () => ({ delayLevel: 19 }),
    "timer-too-far": () => ({ delayMs: (DAYS + 10) * SECOND }),
    "timer-3-days-minus-10s": () => ({ delayMs: (DAYS - 10) * SECOND }),
    "timer-past": () => ({ deliverAt: 1_000 }),
    "timer-negative": () => ({ delayMs: -5 }),
  };

  it.each(Object.entries(ASKED))("is answered as recorded in %s", async (fact, ask) => {
    await using broker = await openRecordedBroker();
    const { mq, clock } = broker;
    const error = validation.error(fact);

    const sending = mq.producer({ group: "shop" }).send({ topic: "Val", body: "x", ...ask(clock.now()) });

    if (error === undefined) await sending;
    else await expect(sending).rejects.toMatchObject({ responseCode: error.responseCode });
  });

  it("is no delay level in a batch, as recorded in batch-delay", async () => {
    await using broker = await openRecordedBroker();

    const sending = broker.mq.producer({ group: "shop" }).sendBatch([{ topic: "Val", body: "x", delayLevel: 1 }]);

    await expect(sending).rejects.toMatchObject({ responseCode: validation.error("batch-delay")?.responseCode });
  });

  it("is no recall by default, as recorded in raw-recall-disabled", async () => {
    await using broker = await openRecordedBroker();
    const producer = broker.mq.producer({ group: "shop" });
    const { recallHandle = "" } = await producer.send({ topic: "Dly", body: "x", delayMs: 5_000 });
    const { code, remark } = validation.observed<{ readonly code: number; readonly remark: string }>(
      "raw-recall-disabled",
    );

    await expect(producer.recall("Dly", recallHandle)).rejects.toMatchObject({ responseCode: code, message: remark });
  });
});

describe("recalling", () => {
  const recalls = loadFacts("recall");

  it("takes a handle as recorded in handle, for no message but a timer, as recorded in no-handle", async () => {
    await using broker = await openRecordedBroker({ recallMessageEnable: true });
    const producer = broker.mq.producer({ group: "shop" });
    const { decoded } = recalls.observed<{ readonly decoded: string }>("handle");
    const none = recalls.observed<Readonly<Record<string, null>>>("no-handle");

    const { recallHandle, messageId } = await producer.send({ topic: "Dly", body: "x", delayMs: 6_000 });
    const others = await Promise.all([
      producer.send({ topic: "Dly", body: "x", delayLevel: 1 }),
      producer.send({ topic: "Dly", body: "x" }),
    ]);

    const text = Buffer.from(recallHandle ?? "", "base64url").toString();
    expect(text.replace(messageId, "<uniqKey#1>").replace(/ \d+ /, " <ts> ")).toBe(decoded);
    expect(Object.keys(none)).toHaveLength(others.length);
    expect(others.map((receipt) => receipt.recallHandle ?? null)).toEqual(Object.values(none));
  });

  it("answers with the id of the message, twice, and nobody gets it: recall, not-delivered", async () => {
    await using broker = await openRecordedBroker({ recallMessageEnable: true });
    const producer = broker.mq.producer({ group: "shop" });
    const recorded = recalls.observed<{ readonly first: object; readonly second: object }>("recall");
    const after = recalls.observed<{
      readonly recalledMessageDelivered: boolean;
      readonly recallOfDelivered: { readonly error: { readonly responseCode: number; readonly errorMessage: string } };
    }>("not-delivered");
    const { recallHandle = "", messageId } = await producer.send({ topic: "Dly", body: "x", delayMs: 6_000 });

    const answers = [await producer.recall("Dly", recallHandle), await producer.recall("Dly", recallHandle)];
    await broker.clock.advance(8_000);

    expect([recorded.first, recorded.second]).toEqual(answers.map(() => ({ result: "<uniqKey#1>" })));
    expect(answers).toEqual([messageId, messageId]);
    expect((await storedIn(broker.mq, "Dly")).length > 0).toBe(after.recalledMessageDelivered);
    const { responseCode, errorMessage } = after.recallOfDelivered.error;
    const late = producer.recall("Dly", recallHandle);
    await expect(late).rejects.toMatchObject({ responseCode });
    await expect(late).rejects.toThrow(errorMessage);
  });

  interface BadHandle {
    readonly case: string;
    readonly error?: { readonly responseCode: number; readonly errorMessage: string };
  }
  const HANDLES: Readonly<Record<string, (handle: string) => readonly [topic: unknown, handle: unknown]>> = {
    "null handle": () => ["Dly", null],
    "empty handle": () => ["Dly", ""],
    garbage: () => ["Dly", "garbage"],
    "handle of another topic": (handle) => ["Other", handle],
    "handle of another broker": (handle) => ["Dly", changed(handle, { brokerName: "broker-b" })],
    "delivery time passed": (handle) => ["Dly", changed(handle, { timestamp: 1 })],
    "beyond 3 days": (handle) => ["Dly", changed(handle, { timestamp: 4_000_000_000_000 })],
    "id that does not exist": (handle) => ["Dly", changed(handle, { messageId: "F".repeat(32) })],
    "retry topic": (handle) => ["%RETRY%g", handle],
    "dlq topic": (handle) => ["%DLQ%g", handle],
    "unknown topic": (handle) => ["Nope", handle],
    "null topic": (handle) => [null, handle],
  };

  it.each(recalls.observed<readonly BadHandle[]>("bad-handles"))(
    "answers as recorded in bad-handles: $case",
    async (recorded) => {
      await using broker = await openRecordedBroker({ recallMessageEnable: true });
      await broker.mq.admin.createTopic("Other");
      const producer = broker.mq.producer({ group: "shop" });
      const { recallHandle = "" } = await producer.send({ topic: "Dly", body: "x", delayMs: 6_000 });
      const [topic, handle] = HANDLES[recorded.case]?.(recallHandle) ?? [];

      const recalling = producer.recall(topic as string, handle as string);

      if (recorded.error === undefined) await recalling;
      else await expect(recalling).rejects.toMatchObject({ responseCode: recorded.error.responseCode });
    },
  );
});

function changed(handle: string, fields: object): string {
  const parsed = parseRecallHandle(handle);
  if (parsed === undefined) throw new Error("no handle");
  return formatRecallHandle({ ...parsed, ...fields });
}
