import { describe, expect, it } from "vitest";
import {
  ConsumeResult,
  type MessageView,
  type MqError,
  type PushConsumer,
  type PushConsumerOptions,
} from "../../../lib/index.js";
import { checkHistory } from "../../../lib/testing/index.js";
import { tempFolder } from "../../support/temp-folder.js";
import { consume, openKit, outcomes, TOPIC, textOf } from "./open-kit.js";

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

describe("crash", () => {
  it("leaves no producer behind that can be started", async () => {
    await using kit = await openKit();
    const { broker } = kit;
    const producer = broker.transactionProducer({ group: "p", checkLocalTransaction: () => "commit" });

    await broker.faults.crash();

    await expect(producer.start()).rejects.toMatchObject({ code: "ERR_MQ_CLOSED" });
    await expect(producer.sendInTransaction({ topic: TOPIC, body: "a" })).rejects.toMatchObject({
      code: "ERR_MQ_NOT_STARTED",
    });
  });

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

  it.each(["memory", "file"])("ends a transaction that is open, which loses what it did, in a %s", async (place) => {
    using folder = tempFolder();
    await using kit = await openKit(place === "file" ? { path: folder.file("a.db") } : {});
    const { broker } = kit;
    const producer = broker.producer({ group: "p" });
    producer.sendSync({ topic: TOPIC, body: "committed" });
    broker.database.exec("BEGIN");
    producer.sendSync({ topic: TOPIC, body: "lost" });

    await broker.faults.crash();
    await consume(broker, { consumeFromWhere: "first-offset" });
    await broker.clock.advance("1s");

    expect(broker.database.inTransaction).toBe(false);
    expect([broker.sent(), broker.consumed()].map((messages) => messages.map(textOf))).toEqual([
      ["committed"],
      ["committed"],
    ]);
  });

  it("lets clients of before be closed", async () => {
    await using kit = await openKit();
    const { broker } = kit;
    const consumers = [
      await consume(broker),
      broker.pullConsumer({ group: "pullers", subscriptions: { [TOPIC]: "*" } }),
      broker.simpleConsumer({ group: "poppers", subscriptions: { [TOPIC]: "*" } }),
    ];
    for (const consumer of consumers.slice(1)) await consumer.start();
    const producer = broker.producer({ group: "p" });
    await producer.send({ topic: TOPIC, body: "a" });
    await broker.runUntilIdle();

    await broker.faults.crash();

    await Promise.all([...consumers, producer].map((client) => client.close()));
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

describe("jumpClock", () => {
  it("sets the clock and runs nothing until time is moved", async () => {
    await using kit = await openKit();
    const { broker } = kit;
    await consume(broker);
    await broker.producer({ group: "p" }).send({ topic: TOPIC, body: "a", delayLevel: 18 });
    const start = broker.clock.now();
    const jumps: number[] = [];
    broker.on("clock:jumped", ({ byMs }) => void jumps.push(byMs));

    broker.faults.jumpClock(7_200_000);
    const consumed = broker.consumed().length;
    await broker.clock.advance(0);

    expect([consumed, broker.consumed().length, broker.clock.now() - start]).toEqual([0, 1, 7_200_000]);
    broker.faults.jumpClock(-1_000);
    expect(broker.clock.now() - start).toBe(7_199_000);
    await broker.clock.advance("1m");
    expect(jumps).toEqual([7_200_000, -1_000]);
    expect(() => broker.faults.jumpClock(0.5)).toThrow("jumpClock: byMs must be whole milliseconds, got 0.5");
  });

  it.each([Number.MAX_SAFE_INTEGER, -2])(
    "refuses to set it to a time that no message can be stored at: by %i",
    async (byMs) => {
      await using kit = await openKit({ startAt: 1 });
      const { clock, faults } = kit.broker;

      expect(() => faults.jumpClock(byMs)).toThrow(
        `jumpClock: byMs must lead to epoch milliseconds from 0 on, got ${byMs}`,
      );
      expect(clock.now()).toBe(1);
    },
  );
});
