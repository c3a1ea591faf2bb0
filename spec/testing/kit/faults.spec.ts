import { describe, expect, it } from "vitest";
import {
  ConsumeResult,
  type MessageView,
  type MqError,
  type PushConsumer,
  type PushConsumerOptions,
} from "../../../lib/index.js";
import { checkHistory, type TestBroker } from "../../../lib/testing/index.js";
import { tempFolder } from "../../support/temp-folder.js";
import { openKit } from "./open-kit.js";

const TOPIC = "orders";
const textOf = (message: MessageView): string => message.text();

async function consume(broker: TestBroker, settings: Partial<PushConsumerOptions> = {}): Promise<PushConsumer> {
  const options = { group: "billing", subscriptions: { [TOPIC]: "*" }, listener: () => undefined, ...settings };
  const consumer = broker.pushConsumer(options as PushConsumerOptions);
  await consumer.start();
  return consumer;
}

/** `SEND_OK` or the code of the error, and RocketMQ's. */
async function outcomes(sends: readonly Promise<{ status: string }>[]): Promise<readonly string[]> {
  const settled = await Promise.allSettled(sends);
  return settled.map((result) => {
    if (result.status === "fulfilled") return result.value.status;
    const { code, responseCode } = result.reason as MqError;
    return `${code} ${responseCode}`;
  });
}

describe("failSend", () => {
  it.each([
    [1, "ERR_MQ_STORE 1"],
    [2, "ERR_MQ_SYSTEM_BUSY 2"],
    [13, "ERR_MQ_MESSAGE_ILLEGAL 13"],
    [14, "ERR_MQ_SERVICE_NOT_AVAILABLE 14"],
    [16, "ERR_MQ_NO_PERMISSION 16"],
    [17, "ERR_MQ_TOPIC_NOT_FOUND 17"],
    [215, "ERR_MQ_TOO_MANY_REQUESTS 215"],
  ])("refuses sends with response code %i, and stores nothing", async (responseCode, outcome) => {
    await using kit = await openKit();
    const { broker } = kit;
    const producer = broker.producer({ group: "p" });
    const undo = broker.faults.failSend({ responseCode });

    const refused = await outcomes(["a", "b"].map((body) => producer.send({ topic: TOPIC, body })));
    expect(() => producer.sendSync({ topic: TOPIC, body: "c" })).toThrow(
      expect.objectContaining({ responseCode }) as Error,
    );
    undo();

    expect(refused).toEqual([outcome, outcome]);
    expect(await outcomes([producer.send({ topic: TOPIC, body: "d" })])).toEqual(["SEND_OK"]);
    expect(broker.sent().map(textOf)).toEqual(["d"]);
  });

  it("refuses the nth, or so many from there, of a topic alone if told so", async () => {
    await using kit = await openKit();
    const { broker } = kit;
    const producer = broker.producer({ group: "p" });
    broker.faults.failSend({ responseCode: 14, nth: 2, topic: TOPIC });
    broker.faults.failSend({ responseCode: 2, nth: 4, times: 2 });
    broker.faults.failSend({ responseCode: 1, times: 1, topic: "refunds" });

    const got = await outcomes(
      [TOPIC, "refunds", TOPIC, TOPIC, TOPIC, TOPIC].map((topic) => producer.send({ topic, body: "a" })),
    );

    expect(got).toEqual([
      "SEND_OK",
      "ERR_MQ_STORE 1",
      "ERR_MQ_SERVICE_NOT_AVAILABLE 14",
      "ERR_MQ_SYSTEM_BUSY 2",
      "ERR_MQ_SYSTEM_BUSY 2",
      "SEND_OK",
    ]);
  });

  it.each([
    [{ responseCode: 3 }, "failSend: responseCode must be one of 1, 2, 13, 14, 16, 17, 215, got 3"],
    [{ responseCode: 14, nth: 0 }, "failSend: nth must be an integer from 1"],
    [{ responseCode: 14, times: 0.5 }, "failSend: times must be an integer from 1"],
    [{ responseCode: 14, topic: 1 }, "failSend: topic must be a string, got 1"],
    [{ responseCode: 14, after: 1 }, 'failSend has no option "after"'],
  ])("refuses %o", async (options, message) => {
    await using kit = await openKit();

    expect(() => kit.broker.faults.failSend(options as never)).toThrow(message);
  });
});

describe("slowSend", () => {
  it("keeps sends on their way for so long, in their order", async () => {
    await using kit = await openKit();
    const { broker } = kit;
    const producer = broker.producer({ group: "p" });
    const undo = broker.faults.slowSend({ byMs: 1_000 });
    const slow = ["a", "b"].map((body) => producer.send({ topic: TOPIC, body }, { queue: 0 }));
    undo();
    const behind = producer.send({ topic: TOPIC, body: "c" }, { queue: 0 });

    await broker.clock.advance("999ms");
    const before = broker.sent().length;
    await broker.clock.advance("1ms");
    await Promise.all([...slow, behind]);

    expect(before).toBe(0);
    expect(broker.sent().map((message) => `${message.text()} ${message.queueOffset}`)).toEqual(["a 0", "b 1", "c 2"]);
  });

  it("fails what does not arrive before its time-out, which is never stored", async () => {
    await using kit = await openKit();
    const { broker } = kit;
    const producer = broker.producer({ group: "p", sendTimeoutMs: 500 });
    broker.faults.slowSend({ byMs: 400, topic: TOPIC });
    broker.faults.slowSend({ byMs: 400 });
    const sends = [TOPIC, "refunds"].map((topic) => producer.send({ topic, body: "a" }));
    const settled = outcomes(sends);

    await broker.clock.advance("1h");

    // The second one waits for the first to be out of its way.
    expect(await settled).toEqual(["ERR_MQ_TIMEOUT 10002", "ERR_MQ_TIMEOUT 10002"]);
    expect(broker.history).toEqual([]);
  });

  it("lets an abort take a send back that is on its way", async () => {
    await using kit = await openKit();
    const { broker } = kit;
    broker.faults.slowSend({ byMs: 400 });
    const controller = new AbortController();
    const send = broker.producer({ group: "p" }).send({ topic: TOPIC, body: "a" }, { signal: controller.signal });
    controller.abort(new Error("changed my mind"));

    await expect(send).rejects.toThrow("changed my mind");
    await broker.clock.advance("1m");
    expect(broker.history).toEqual([]);
  });

  it("does not hold up time for a listener that sends", async () => {
    await using kit = await openKit();
    const { broker } = kit;
    const producer = broker.producer({ group: "p" });
    await consume(broker, { listener: async () => void (await producer.send({ topic: "done", body: "b" })) });
    await producer.send({ topic: TOPIC, body: "a" });
    broker.faults.slowSend({ byMs: 2_000 });
    await broker.reset();
    await consume(broker, { listener: async () => void (await producer.send({ topic: "done", body: "b" })) });
    await producer.send({ topic: TOPIC, body: "a" });
    broker.faults.slowSend({ byMs: 2_000, topic: "done" });

    await broker.clock.advance("2s");

    expect(broker.consumed("billing").map(textOf)).toEqual(["a"]);
  });
});

describe("loseAck", () => {
  it("loses progress of a push consumer, so that whoever goes on after a crash gets the messages again", async () => {
    await using kit = await openKit();
    const { broker } = kit;
    await consume(broker);
    const producer = broker.producer({ group: "p" });
    await producer.send({ topic: TOPIC, body: "stored" }, { queue: 0 });
    await broker.clock.advance("1s");
    const undo = broker.faults.loseAck({ group: "billing" });
    await producer.send({ topic: TOPIC, body: "lost" }, { queue: 0 });
    await broker.clock.advance("1s");
    await broker.faults.crash();
    undo();

    await consume(broker);
    await broker.clock.advance("1s");

    expect(broker.consumed("billing").map(textOf)).toEqual(["stored", "lost", "lost"]);
    expect(checkHistory(broker.history, { duplicates: "forbidden" })).toHaveLength(1);
  });

  it("loses so many, of a group alone if told so, and those of pull consumers", async () => {
    await using kit = await openKit({ defaultQueueCount: 1 });
    const { broker } = kit;
    await broker.producer({ group: "p" }).send({ topic: TOPIC, body: "a" });
    broker.faults.loseAck({ group: "pullers", times: 1 });
    const committed: (number | undefined)[] = [];
    for (const group of ["others", "pullers"]) {
      await using consumer = broker.pullConsumer({
        ...{ group, autoCommit: false, subscriptions: { [TOPIC]: "*" }, consumeFromWhere: "first-offset" },
      });
      await consumer.start();
      await consumer.poll({ timeoutMs: 1_000 });
      const [queue] = await consumer.fetchMessageQueues(TOPIC);
      if (queue === undefined) throw new Error("no queue");
      await consumer.commit();
      committed.push(await consumer.committed(queue));
      await consumer.commit(new Map([[queue, 1]]));
      committed.push(await consumer.committed(queue));
    }

    expect(committed).toEqual([1, 1, undefined, 1]);
  });

  it("lets the ack of a simple consumer time out, and the message come again", async () => {
    await using kit = await openKit();
    const { broker } = kit;
    await using consumer = broker.simpleConsumer({ group: "poppers", subscriptions: { [TOPIC]: "*" } });
    await consumer.start();
    await broker.producer({ group: "p" }).send({ topic: TOPIC, body: "a" });
    broker.faults.loseAck({ times: 1 });
    const receive = (): Promise<readonly MessageView[]> =>
      consumer.receive({ maxMessages: 1, invisibleDurationMs: 10_000, awaitMs: 0 });

    const [first] = await receive();
    await expect(consumer.ack(first as MessageView)).rejects.toMatchObject({ code: "ERR_MQ_TIMEOUT" });
    await broker.clock.advance("10s");
    const [again] = await receive();
    await consumer.ack(again as MessageView);

    expect([again?.text(), again?.deliveryAttempt]).toEqual(["a", 2]);
  });
});

describe("duplicateDelivery", () => {
  it.each([
    ["concurrent", {}],
    ["orderly", { orderly: true }],
    ["broadcasting", { messageModel: "broadcasting" }],
  ] as const)("delivers a message once more to a %s consumer that has consumed it", async (_, settings) => {
    await using kit = await openKit();
    const { broker } = kit;
    await consume(broker, settings as Partial<PushConsumerOptions>);
    broker.faults.duplicateDelivery({ times: 1 });
    const producer = broker.producer({ group: "p" });

    for (const body of ["a", "b"]) await producer.send({ topic: TOPIC, body }, { queue: 0 });
    await broker.clock.advance("1s");

    const bodies = broker.consumed().map((message) => `${message.text()} ${message.deliveryAttempt}`);
    expect(bodies.sort()).toEqual(["a 1", "a 1", "b 1"]);
    await broker.clock.advance("1h");
    expect(broker.consumed()).toHaveLength(3);
  });

  it("delivers every message twice, also what failed, to this group alone", async () => {
    await using kit = await openKit();
    const { broker } = kit;
    let failures = 1;
    const listener = (): string => (failures-- > 0 ? "retry" : "success");
    await consume(broker, { group: "others" });
    await consume(broker, { listener: listener as () => "retry" });
    broker.faults.duplicateDelivery({ group: "billing" });

    await broker.producer({ group: "p" }).send({ topic: TOPIC, body: "a" });
    await broker.clock.advance("1m");

    const delivered = broker.history.filter(({ state, group }) => state === "delivered" && group === "billing");
    expect(delivered.map(({ deliveryAttempt }) => deliveryAttempt)).toEqual([1, 1, 2, 2]);
    expect(broker.consumed("others")).toHaveLength(1);
  });

  it("hands a message out once more to a pull consumer", async () => {
    await using kit = await openKit();
    const { broker } = kit;
    await using consumer = broker.pullConsumer({ group: "pullers", subscriptions: { [TOPIC]: "*" } });
    await consumer.start();
    broker.faults.duplicateDelivery();

    await broker.producer({ group: "p" }).send({ topic: TOPIC, body: "a" });
    const polled = [await consumer.poll({ timeoutMs: 1_000 }), await consumer.poll({ timeoutMs: 1_000 })];

    expect(polled.map((messages) => messages.map(textOf))).toEqual([["a"], ["a"]]);
  });

  it("makes the ack of a simple consumer have no effect, so that the message comes again", async () => {
    await using kit = await openKit();
    const { broker } = kit;
    await using consumer = broker.simpleConsumer({ group: "poppers", subscriptions: { [TOPIC]: "*" } });
    await consumer.start();
    broker.faults.duplicateDelivery({ times: 1 });
    await broker.producer({ group: "p" }).send({ topic: TOPIC, body: "a" });
    const bodies: string[] = [];
    for (let round = 0; round < 3; round += 1) {
      const received = await consumer.receive({ maxMessages: 1, invisibleDurationMs: 10_000, awaitMs: 0 });
      for (const message of received) await consumer.ack(message);
      bodies.push(...received.map(textOf));
      await broker.clock.advance("10s");
    }

    expect(bodies).toEqual(["a", "a"]);
  });
});

describe("partition", () => {
  it("lets another member take over after 120 s, and the client go on when it is undone", async () => {
    await using kit = await openKit({ defaultQueueCount: 2 });
    const { broker } = kit;
    const got: string[] = [];
    const member = (instanceName: string): Promise<PushConsumer> =>
      consume(broker, {
        instanceName,
        listener: (message: MessageView) => void got.push(`${instanceName} ${message.text()}`),
      } as Partial<PushConsumerOptions>);
    const one = await member("one");
    const two = await member("two");
    const producer = broker.producer({ group: "p" });
    const send = async (body: string): Promise<void> => {
      await broker.admin.createTopic(TOPIC).catch(() => undefined);
      for (const queue of [0, 1]) await producer.send({ topic: TOPIC, body: `${body}${queue}` }, { queue });
    };
    await send("a");
    await broker.clock.advance("1s");
    const before = [...got].sort();

    const undo = broker.faults.partition(one.clientId);
    await send("b");
    await broker.clock.advance("119s");
    const during = got.splice(0).slice(before.length);
    await broker.clock.advance("1s");
    const after = got.splice(0);
    undo();
    await send("c");
    await broker.clock.advance("1s");

    expect(before.map((line) => line.split(" ")[0]).sort()).toEqual(["one", "two"]);
    expect(during.map((line) => line.split(" ")[0])).toEqual(["two"]);
    expect(after.map((line) => line.split(" ")[0])).toEqual(["two"]);
    // The client that was cut off goes on where it was: what came meanwhile comes twice.
    const atLast = got.filter((line) => line.includes(" c"));
    expect(atLast.map((line) => line.split(" ")[0]).sort()).toEqual(["one", "two"]);
    expect([one.assignment.length, two.assignment.length]).toEqual([1, 1]);
  });

  it("keeps acknowledgements from the broker, so that what was consumed comes again to whoever takes over", async () => {
    await using kit = await openKit({ defaultQueueCount: 1 });
    const { broker } = kit;
    let release: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const one = await consume(broker, { instanceName: "one", listener: () => gate });
    await broker.producer({ group: "p" }).send({ topic: TOPIC, body: "a" });
    await broker.waitFor({ state: "delivered" });
    broker.faults.partition(one.clientId);
    release();
    await consume(broker, { instanceName: "two" });
    await broker.clock.advance("2m");

    const clients = broker.history.filter(({ state }) => state === "consumed").map(({ clientId }) => clientId);
    expect(clients.map((clientId) => clientId?.split("@")[1])).toEqual(["one", "two"]);
  });

  it.each(["pull", "simple"] as const)(
    "keeps a %s consumer from getting anything, until it is undone",
    async (kind) => {
      await using kit = await openKit();
      const { broker } = kit;
      const pull = broker.pullConsumer({ group: "g", subscriptions: { [TOPIC]: "*" } });
      const simple = broker.simpleConsumer({ group: "g", subscriptions: { [TOPIC]: "*" } });
      const consumer = kind === "pull" ? pull : simple;
      await consumer.start();
      const get = async (): Promise<readonly MessageView[]> => {
        if (kind === "pull") {
          const polling = pull.poll({ timeoutMs: 1_000 });
          await broker.clock.advance("1s");
          return polling;
        }
        return simple.receive({ maxMessages: 1, invisibleDurationMs: 10_000, awaitMs: 0 }).catch(() => []);
      };
      const undo = broker.faults.partition(consumer.clientId);
      await broker.producer({ group: "p" }).send({ topic: TOPIC, body: "a" });

      const during = await get();
      undo();
      await broker.clock.advance("30s");
      const after = await get();

      expect([during.map(textOf), after.map(textOf)]).toEqual([[], ["a"]]);
    },
  );

  it("lets a consumer close, and a broker", async () => {
    await using kit = await openKit();
    const { broker } = kit;
    const one = await consume(broker, { instanceName: "one" });
    const two = await consume(broker, { instanceName: "two" });
    for (const { clientId } of [one, two]) broker.faults.partition(clientId);

    await one.close();

    expect(one.assignment).toEqual([]);
  });

  it("refuses a client that there is not, and names those that there are", async () => {
    await using kit = await openKit();
    const { faults } = kit.broker;

    expect(() => faults.partition("nobody")).toThrow('there is no started consumer "nobody"; there are: none');
    const { clientId } = await consume(kit.broker);
    expect(() => faults.partition("nobody")).toThrow(`there are: ${clientId}`);
  });
});

describe("jumpClock", () => {
  it("sets the clock and runs nothing until time is moved", async () => {
    await using kit = await openKit();
    const { broker } = kit;
    await consume(broker);
    await broker.producer({ group: "p" }).send({ topic: TOPIC, body: "a", delayLevel: 18 });
    const start = broker.clock.now();

    broker.faults.jumpClock(7_200_000);
    const consumed = broker.consumed().length;
    await broker.clock.advance(0);

    expect([consumed, broker.consumed().length, broker.clock.now() - start]).toEqual([0, 1, 7_200_000]);
    broker.faults.jumpClock(-1_000);
    expect(broker.clock.now() - start).toBe(7_199_000);
    expect(() => broker.faults.jumpClock(0.5)).toThrow("jumpClock: byMs must be whole milliseconds, got 0.5");
  });
});

describe("crash", () => {
  it.each(["memory", "file"])("loses what was not committed and keeps what was, in a store in a %s", async (place) => {
    using folder = tempFolder();
    await using kit = await openKit(place === "file" ? { path: folder.file("a.db") } : {});
    const { broker } = kit;
    const producer = broker.producer({ group: "p" });
    await producer.send({ topic: TOPIC, body: "committed" });
    const pending = producer.send({ topic: TOPIC, body: "pending" }).catch((error: MqError) => error.code);

    await broker.faults.crash();
    await consume(broker, { consumeFromWhere: "first-offset" });
    await broker.clock.advance("1s");

    expect(await pending).toBe("ERR_MQ_CLOSED");
    expect(broker.consumed().map(textOf)).toEqual(["committed"]);
    expect(checkHistory(broker.history)).toEqual([]);
  });

  it.each(["memory", "file"])("leaves clients of before dead, and others take over at once, in a %s", async (place) => {
    using folder = tempFolder();
    await using kit = await openKit(place === "file" ? { path: folder.file("a.db") } : {});
    const { broker } = kit;
    const got: string[] = [];
    let hang = true;
    const listener = (message: MessageView): Promise<void> | undefined => {
      got.push(message.text());
      return hang ? new Promise(() => undefined) : undefined;
    };
    const dead = await consume(broker, { listener });
    const producer = broker.producer({ group: "p" });
    await producer.send({ topic: TOPIC, body: "a" });
    await broker.waitFor({ state: "delivered" });

    await broker.faults.crash();
    hang = false;
    await consume(broker, { listener });
    await broker.clock.advance("1s");

    expect(got).toEqual(["a", "a"]);
    expect(dead.assignment).toEqual([]);
    await expect(producer.send({ topic: TOPIC, body: "b" })).rejects.toMatchObject({ code: "ERR_MQ_CLOSED" });
    expect(kit.logged).toEqual([]);
  });

  it("keeps retries and their times, listeners of events, the history and faults", async () => {
    await using kit = await openKit();
    const { broker } = kit;
    const events: string[] = [];
    broker.on("message:delivered", ({ deliveryAttempt }) => void events.push(`attempt ${deliveryAttempt}`));
    await consume(broker, { listener: () => ConsumeResult.RETRY });
    await broker.producer({ group: "p" }).send({ topic: TOPIC, body: "a" });
    await broker.clock.advance("1s");
    broker.faults.failSend({ responseCode: 14 });

    await broker.faults.crash();
    await consume(broker);
    await broker.clock.advance("9s");

    expect(events).toEqual(["attempt 1", "attempt 2"]);
    expect(broker.history.map(({ state }) => state)).toEqual([
      "stored",
      "delivered",
      "retried",
      "delivered",
      "consumed",
    ]);
    expect(await outcomes([broker.producer({ group: "p" }).send({ topic: TOPIC, body: "b" })])).toEqual([
      "ERR_MQ_SERVICE_NOT_AVAILABLE 14",
    ]);
  });
});
