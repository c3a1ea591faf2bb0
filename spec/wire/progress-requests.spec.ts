import { describe, expect, it } from "vitest";
import { loadFacts } from "../support/facts.js";
import { openWireBroker, type WireBroker } from "../support/wire-broker.js";

const [QUERY, UPDATE] = [14, 15] as const;
const validation = loadFacts("validation");

interface Answer {
  readonly code: number;
  readonly remark: string | null;
  readonly ext: Readonly<Record<string, string>>;
}

async function ask(
  { client }: WireBroker,
  code: typeof QUERY | typeof UPDATE,
  changes: Readonly<Record<string, string | number>> = {},
): Promise<Answer> {
  const all = {
    consumerGroup: "gVal",
    topic: "Val",
    queueId: 0,
    ...(code === UPDATE && { commitOffset: 1 }),
    ...changes,
  };
  const fields = new Map(Object.entries(all).map(([name, value]) => [name, `${value}`] as const));
  const answer = await client.ask({ code, fields });
  return { code: answer.code, remark: answer.remark ?? null, ext: Object.fromEntries(answer.fields ?? []) };
}

/** A topic of two queues, and a group that exists. */
async function openVal(): Promise<WireBroker> {
  const server = await openWireBroker();
  const { admin } = server.broker.mq;
  await admin.createTopic("Val", { readQueueNums: 2, writeQueueNums: 2 });
  await admin.createGroup("gVal");
  return server;
}

describe("the progress of a group over the wire", () => {
  it.each([
    ["raw-query-offset-unknown", QUERY, { consumerGroup: "gNoOffset", setZeroIfNotFound: "false" }],
    ["raw-query-offset-unknown-topic", QUERY, { topic: "ValNope" }],
    ["raw-update-offset-unknown-topic", UPDATE, { consumerGroup: "gNoOffset", topic: "ValNope" }],
    ["raw-update-offset-unknown-topic-known-group", UPDATE, { topic: "ValNope" }],
    ["raw-update-offset-queue-out-of-range", UPDATE, { queueId: 9 }],
    ["raw-update-offset-negative", UPDATE, { commitOffset: -1 }],
    ["raw-update-offset-beyond-max", UPDATE, { commitOffset: 999 }],
  ] as const)("is answered as RocketMQ does: %s", async (fact, code, changes) => {
    await using server = await openVal();

    expect(await ask(server, code, changes)).toEqual(validation.observed<Answer>(fact));
  });

  it("is what was said last, below and beyond what the queue has, but never below 0", async () => {
    await using server = await openVal();
    const said: string[] = [];

    for (const commitOffset of [999, 5, 7, -1]) {
      await ask(server, UPDATE, { commitOffset });
      said.push((await ask(server, QUERY)).ext["offset"] as string);
    }

    expect(said).toEqual(["999", "5", "7", "7"]);
    await ask(server, UPDATE, { commitOffset: 999 });
    expect(await ask(server, QUERY)).toEqual(validation.observed<Answer>("raw-query-offset-after"));
  });

  it("is 0 for a group that comes to a young queue with messages, unless it wants to know, and none for an empty one", async () => {
    await using server = await openVal();
    await server.broker.mq.producer({ group: "p" }).send({ topic: "Val", body: "a" }, { queue: 0 });

    expect(await ask(server, QUERY)).toEqual({ code: 0, remark: null, ext: { offset: "0" } });
    expect((await ask(server, QUERY, { setZeroIfNotFound: "false" })).code).toBe(22);
    expect((await ask(server, QUERY, { queueId: 1 })).code).toBe(22);
  });

  it("is durable, and where members in process go on", async () => {
    await using server = await openVal();
    const { mq, clock } = server.broker;
    const producer = mq.producer({ group: "p" });
    for (const body of ["a", "b", "c"]) await producer.send({ topic: "Val", body }, { queue: 0 });
    await ask(server, UPDATE, { commitOffset: 2 });
    const consumed: string[] = [];

    const listener = (message: { text(): string }): void => void consumed.push(message.text());
    await mq.pushConsumer({ group: "gVal", subscriptions: { Val: "*" }, listener }).start();
    await clock.settle();

    expect(consumed).toEqual(["c"]);
  });
});
