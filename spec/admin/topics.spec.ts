import { describe, expect, it } from "vitest";
import { type Broker, isMqError, type TopicSettings } from "../../lib/index.js";
import { loadFacts } from "../support/facts.js";
import { openTestBroker } from "../support/test-broker.js";

const validation = loadFacts("validation");
const admin = loadFacts("admin");
const message = { topic: "orders", body: "x" };

async function refusedWith(call: Promise<unknown>): Promise<readonly unknown[]> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return isMqError(error) ? [error.code, error.responseCode] : [error];
}

function calls(mq: Broker, topic: string): readonly (() => Promise<unknown>)[] {
  const queue = { topic, brokerName: "broker-a", queueId: 0 };
  return [
    () => mq.admin.getTopic(topic),
    () => mq.admin.topicStats(topic),
    () => mq.admin.updateTopic(topic, {}),
    () => mq.admin.minOffset(queue),
    () => mq.admin.maxOffset(queue),
    () => mq.admin.searchOffset(queue, 0),
    () => mq.admin.browse(queue, 0, 1),
  ];
}

describe("Admin.createTopic", () => {
  it("makes a topic with the broker's defaults", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 6 });

    expect(await broker.mq.admin.createTopic("orders")).toEqual({
      topic: "orders",
      readQueueNums: 6,
      writeQueueNums: 6,
      perm: "RW",
      order: false,
      messageType: "NORMAL",
      system: false,
    });
  });

  it("makes a topic as told, that is so after the broker was opened anew", async () => {
    await using broker = await openTestBroker();
    const settings: TopicSettings = {
      readQueueNums: 8,
      writeQueueNums: 2,
      perm: "W",
      order: true,
      messageType: "FIFO",
    };

    const created = await broker.mq.admin.createTopic("orders", settings);

    expect(created).toEqual({ topic: "orders", ...settings, system: false });
    expect(await broker.mq.admin.getTopic("orders")).toEqual(created);
  });

  it("changes nothing when the topic is so already", async () => {
    await using broker = await openTestBroker();
    const first = await broker.mq.admin.createTopic("orders", { perm: "R" });
    const changes = broker.mq.database.prepare("SELECT total_changes() AS changes") as { get(): unknown };
    const before = changes.get();

    expect(await broker.mq.admin.createTopic("orders", { perm: "R" })).toEqual(first);

    expect(changes.get()).toEqual(before);
  });

  it("refuses a topic that is set up differently with 18, and leaves it", async () => {
    await using broker = await openTestBroker();
    await broker.mq.admin.createTopic("orders", { perm: "R" });

    const refused = broker.mq.admin.createTopic("orders");

    expect(await refusedWith(refused)).toEqual(["ERR_MQ_ALREADY_CREATED", 18]);
    await expect(refused).rejects.toThrow("topic orders exists already and is set up differently");
    expect(await broker.mq.admin.getTopic("orders")).toMatchObject({ perm: "R" });
  });

  it.each<[fact: string, topic: string]>([
    ["raw-create-topic-empty", ""],
    ["raw-create-topic-a.b", "a.b"],
    ["raw-create-topic-128", "t".repeat(128)],
    ["raw-create-topic-TBW102", "TBW102"],
    ["raw-create-topic-SCHEDULE_TOPIC_XXXX", "SCHEDULE_TOPIC_XXXX"],
    ["raw-create-topic-rmq_sys_mine", "rmq_sys_mine"],
    ["raw-create-topic-%RETRY%x", "%RETRY%x"],
    ["raw-create-topic-ValOk", "ValOk"],
  ])("answers as recorded in %s", async (fact, topic) => {
    await using broker = await openTestBroker();
    const { code } = validation.observed<{ readonly code: number }>(fact);

    const outcome = await broker.mq.admin.createTopic(topic).catch((error: unknown) => error);

    expect(isMqError(outcome) ? outcome.responseCode : 0).toBe(code);
  });

  it("takes 0 queues and each permission as recorded", async () => {
    await using broker = await openTestBroker();
    const recorded = ["raw-create-topic-queues 0", "raw-create-topic-queues 1025", "raw-create-topic-perm 0"].map(
      (fact) => validation.observed<{ readonly code: number }>(fact).code,
    );

    await broker.mq.admin.createTopic("none", { readQueueNums: 0, writeQueueNums: 0 });
    await broker.mq.admin.createTopic("many", { readQueueNums: 1_025, writeQueueNums: 1_025 });
    await broker.mq.admin.createTopic("closed", { perm: "none" });

    expect(recorded).toEqual([0, 0, 0]);
    expect(await broker.mq.admin.topicStats("none")).toEqual([]);
    expect(await broker.mq.admin.topicStats("many")).toHaveLength(1_025);
  });

  it.each<[settings: Record<string, unknown>, text: string]>([
    [{ readQueueNums: -1 }, "readQueueNums must be an integer from 0 to 65535, got -1"],
    [{ writeQueueNums: 65_536 }, "writeQueueNums must be an integer from 0 to 65535, got 65536"],
    [{ perm: "rw" }, 'perm must be "RW" or "R" or "W" or "none", got "rw"'],
    [{ order: 1 }, "order must be true or false, got 1"],
    [{ messageType: "BOGUS" }, 'got "BOGUS"'],
    [{ queues: 4 }, 'TopicSettings has no option "queues"'],
  ])("refuses the settings %j and says why", async (settings, text) => {
    await using broker = await openTestBroker();

    await expect(broker.mq.admin.createTopic("orders", settings as TopicSettings)).rejects.toThrow(text);

    expect(await broker.mq.admin.listTopics()).toEqual([]);
  });
});

describe("Admin.updateTopic", () => {
  it("changes what is named and keeps the rest", async () => {
    await using broker = await openTestBroker();
    await broker.mq.admin.createTopic("orders", { readQueueNums: 8, writeQueueNums: 2, order: true });

    const updated = await broker.mq.admin.updateTopic("orders", { writeQueueNums: 8, perm: "R" });

    expect(updated).toMatchObject({ readQueueNums: 8, writeQueueNums: 8, perm: "R", order: true });
    expect(await broker.mq.admin.getTopic("orders")).toEqual(updated);
  });

  it.each([[null], [[]], ["RW"], [7]])("refuses %j for settings, which must be an object", async (settings) => {
    await using broker = await openTestBroker();
    const before = await broker.mq.admin.createTopic("orders");

    const refused = broker.mq.admin.updateTopic("orders", settings as TopicSettings);

    await expect(refused).rejects.toThrow("TopicSettings must be an object");
    expect(await broker.mq.admin.getTopic("orders")).toEqual(before);
  });
});

describe("the settings of a topic", () => {
  it.each(["createTopic", "updateTopic"] as const)(
    "are read when %s is called, not when it is stored",
    async (call) => {
      await using broker = await openTestBroker();
      const { admin, database } = broker.mq;
      if (call === "updateTopic") await admin.createTopic("orders");
      const readIn: boolean[] = [];
      const settings = {
        readQueueNums: 7,
        get writeQueueNums() {
          readIn.push(database.inTransaction);
          return 3;
        },
      };

      const changing = admin[call]("orders", settings);
      settings.readQueueNums = -1;
      const readAtOnce = readIn.length;
      const changed = await changing;

      expect(changed).toMatchObject({ readQueueNums: 7, writeQueueNums: 3 });
      expect(readAtOnce).toBeGreaterThan(0);
      expect(readIn).toEqual(Array.from({ length: readAtOnce }, () => false));
    },
  );
});

describe("Admin.getTopic and the other calls that name a topic", () => {
  it("refuse an unknown one with 17 and near misses", async () => {
    await using broker = await openTestBroker();
    await broker.mq.admin.createTopic("orders");

    for (const call of calls(broker.mq, "ordrs")) {
      await expect(call()).rejects.toThrow("topic ordrs does not exist; did you mean orders?");
      expect(await refusedWith(call())).toEqual(["ERR_MQ_TOPIC_NOT_FOUND", 17]);
    }
  });

  it("refuse an illegal name with 29", async () => {
    await using broker = await openTestBroker();

    for (const call of [() => broker.mq.admin.createTopic("a.b"), ...calls(broker.mq, "a.b")]) {
      expect(await refusedWith(call())).toEqual(["ERR_MQ_INVALID_ARGUMENT", 29]);
    }
  });

  it("refuse to change a system topic with 29, and tell about it", async () => {
    await using broker = await openTestBroker();

    expect(await refusedWith(broker.mq.admin.updateTopic("TBW102", { perm: "R" }))).toEqual([
      "ERR_MQ_INVALID_ARGUMENT",
      29,
    ]);
    expect(await broker.mq.admin.getTopic("TBW102")).toMatchObject({ system: true, readQueueNums: 8, perm: "RW" });
  });
});

describe("Admin.listTopics", () => {
  it("lists topics sorted by name, those of the system only when asked", async () => {
    await using broker = await openTestBroker();
    for (const topic of ["b", "a", "B"]) await broker.mq.admin.createTopic(topic);

    const own = await broker.mq.admin.listTopics();
    const all = await broker.mq.admin.listTopics({ system: true });

    const names = all.map(({ topic }) => topic);
    expect(own.map(({ topic }) => topic)).toEqual(["B", "a", "b"]);
    expect(names).toEqual([...names].sort());
    expect(all.filter(({ system }) => !system)).toEqual(own);
    const existing = admin.names
      .filter((fact) => fact.startsWith("topic-config-") && admin.observed<{ readonly code: number }>(fact).code === 0)
      .map((fact) => fact.slice("topic-config-".length));
    expect(all.filter(({ system }) => system).map(({ topic }) => topic)).toEqual(existing.sort());
  });

  it("refuses unknown options by name", async () => {
    await using broker = await openTestBroker();

    await expect(broker.mq.admin.listTopics({ internal: true } as never)).rejects.toThrow('no option "internal"');
    await expect(broker.mq.admin.listTopics({ system: "yes" } as never)).rejects.toThrow(
      'system must be true or false, got "yes"',
    );
  });
});

describe("Admin.topicStats", () => {
  it("tells of every queue, also those that only producers or only consumers see", async () => {
    await using broker = await openTestBroker();
    const { mq, clock } = broker;
    await mq.admin.createTopic("orders", { readQueueNums: 1, writeQueueNums: 2 });
    await mq.admin.createTopic("invoices", { readQueueNums: 3, writeQueueNums: 1 });
    const producer = mq.producer({ group: "shop" });

    await producer.send(message, { queue: 1 });
    await clock.advance(1_000);
    await producer.send(message, { queue: 1 });

    const queue = (queueId: number): object => ({ topic: "orders", brokerName: "broker-a", queueId });
    expect(await mq.admin.topicStats("orders")).toEqual([
      { queue: queue(0), minOffset: 0, maxOffset: 0, lastStoreTimestamp: undefined },
      { queue: queue(1), minOffset: 0, maxOffset: 2, lastStoreTimestamp: clock.now() },
    ]);
    expect(await mq.admin.topicStats("invoices")).toHaveLength(3);
  });
});

describe("Admin.checkStore", () => {
  it("finds no problem in a store in use, while messages are sent", async () => {
    await using broker = await openTestBroker();
    const producer = broker.mq.producer({ group: "shop" });
    await producer.sendBatch(Array.from({ length: 500 }, () => ({ topic: "orders", body: "x".repeat(2_000) })));

    const checking = broker.mq.admin.checkStore();
    for (let send = 0; send < 50; send += 1) await producer.send(message);

    expect(await checking).toEqual({ problems: [] });
  });

  it("tells what is wrong", async () => {
    await using broker = await openTestBroker();
    const { mq } = broker;
    await mq.producer({ group: "shop" }).send(message);
    mq.database.exec("UPDATE mq_topic SET perm = 77");

    expect(await mq.admin.checkStore()).toEqual({ problems: ["mq_topic: illegal values: orders"] });

    mq.database.exec("UPDATE mq_topic SET perm = 6");
  });
});

describe("Admin of a closed broker", () => {
  it("refuses every call", async () => {
    await using broker = await openTestBroker();
    const { mq } = broker;
    await mq.close();

    const all = [
      ...calls(mq, "orders"),
      () => mq.admin.createTopic("orders"),
      () => mq.admin.listTopics(),
      () => mq.admin.createGroup("billing"),
      () => mq.admin.updateGroup("billing", {}),
      () => mq.admin.getGroup("billing"),
      () => mq.admin.listGroups(),
      () => mq.admin.consumeStats("billing"),
      () => mq.admin.checkStore(),
    ];

    for (const call of all) expect((await refusedWith(call()))[0]).toBe("ERR_MQ_CLOSED");
  });
});
