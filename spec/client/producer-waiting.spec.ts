import { getEventListeners, setMaxListeners } from "node:events";
import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { storedIn } from "../support/shared-connection.js";
import { tempFolder } from "../support/temp-folder.js";
import { openTestBroker } from "../support/test-broker.js";

const message = { topic: "orders", body: "x" };
const listenersOf = (signal: AbortSignal): number => getEventListeners(signal, "abort").length;

describe("the signal of a send", () => {
  it("refuses the send when it is aborted already, with its reason", async () => {
    await using broker = await openTestBroker();
    const producer = broker.mq.producer({ group: "shop" });
    const reason = new Error("no longer wanted");
    const signal = AbortSignal.abort(reason);

    await expect(producer.send(message, { signal })).rejects.toBe(reason);
    await expect(producer.sendBatch([message], { signal })).rejects.toBe(reason);

    await broker.clock.settle();
    expect(await broker.mq.admin.listTopics()).toEqual([]);
    expect(listenersOf(signal)).toBe(0);
    await producer.close();
  });

  it("takes a pending message back: it is never stored, and the others are", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const producer = broker.mq.producer({ group: "shop" });
    const controller = new AbortController();
    const { signal } = controller;
    const reason = { no: "error" };

    const first = producer.send({ topic: "orders", body: "a" });
    const aborted = [producer.send(message, { signal }), producer.sendBatch([message, message], { signal })];
    const last = producer.send({ topic: "orders", body: "b" });
    const whilePending = listenersOf(signal);
    controller.abort(reason);
    const outcomes = await Promise.allSettled(aborted);

    expect(outcomes).toEqual([
      { status: "rejected", reason },
      { status: "rejected", reason },
    ]);
    expect([(await first).queueOffset, (await last).queueOffset]).toEqual([0, 1]);
    expect(await storedIn(broker.mq, "orders")).toEqual(["0 a", "1 b"]);
    expect([whilePending, listenersOf(signal)]).toEqual([1, 0]);
  });

  it("has no effect once the message is stored, and keeps no listener", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const producer = broker.mq.producer({ group: "shop" });
    const controller = new AbortController();
    const { signal } = controller;

    const sent = producer.send(message, { signal });
    producer.sendOneway(message, { signal });
    await sent;
    const afterwards = listenersOf(signal);
    controller.abort();

    expect(afterwards).toBe(0);
    expect(await storedIn(broker.mq, "orders")).toEqual(["0 x", "1 x"]);
    await broker.clock.settle();
  });

  it("keeps no listener after a send that failed", async () => {
    await using broker = await openTestBroker();
    const producer = broker.mq.producer({ group: "shop" });
    const { signal } = new AbortController();

    await expect(producer.send(message, { signal, queue: 9 })).rejects.toMatchObject({ responseCode: 29 });
    await expect(producer.send({ topic: "", body: "x" }, { signal })).rejects.toMatchObject({ responseCode: -1 });

    expect(listenersOf(signal)).toBe(0);
  });

  it("takes a one-way message back too", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const producer = broker.mq.producer({ group: "shop" });
    const controller = new AbortController();

    producer.sendOneway(message, { signal: controller.signal });
    controller.abort();
    await producer.close();
    await broker.clock.settle();

    expect(await broker.mq.admin.listTopics()).toEqual([]);
  });

  it("may end many sends at once, as each listener is removed", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const producer = broker.mq.producer({ group: "shop" });
    const controller = new AbortController();
    setMaxListeners(0, controller.signal);

    const sends = Array.from({ length: 500 }, () => producer.send(message, { signal: controller.signal }));
    controller.abort();

    const outcomes = await Promise.allSettled(sends);
    expect(outcomes.filter(({ status }) => status === "rejected")).toHaveLength(500);
    expect(listenersOf(controller.signal)).toBe(0);
    expect((await producer.send(message)).queueOffset).toBe(0);
  });
});

describe("the time-out of a send", () => {
  it("fails it when another writer keeps the store locked until then; nothing is stored", async () => {
    using folder = tempFolder();
    await using broker = await openTestBroker({ path: folder.file("app.db"), defaultQueueCount: 1 });
    const { mq, clock } = broker;
    const producer = mq.producer({ group: "shop", sendTimeoutMs: 400 });
    const rival = new Database(folder.file("app.db"));
    rival.exec("BEGIN IMMEDIATE");
    const { signal } = new AbortController();

    const failed = expect(producer.send(message, { signal })).rejects.toMatchObject({
      code: "ERR_MQ_SYSTEM_BUSY",
      responseCode: 2,
    });
    const patient = producer.send({ topic: "orders", body: "patient" }, { timeoutMs: 60_000 });
    await clock.advance(500);
    await failed;
    rival.exec("ROLLBACK");
    rival.close();
    await clock.advance(100);

    expect((await patient).queueOffset).toBe(0);
    expect(listenersOf(signal)).toBe(0);
    expect(await storedIn(mq, "orders")).toEqual(["0 patient"]);
  });

  it("is 3 s unless the producer or the send says otherwise", async () => {
    using folder = tempFolder();
    await using broker = await openTestBroker({ path: folder.file("app.db") });
    const { mq, clock } = broker;
    const rival = new Database(folder.file("app.db"));
    rival.exec("BEGIN IMMEDIATE");
    const startedAt = clock.now();
    const ended: Record<string, number> = {};
    const watch = (name: string, sent: Promise<unknown>): void =>
      void sent.catch(() => {
        ended[name] = clock.now() - startedAt;
      });

    watch("default", mq.producer({ group: "shop" }).send(message));
    watch("producer", mq.producer({ group: "shop", sendTimeoutMs: 700 }).send(message));
    watch("send", mq.producer({ group: "shop", sendTimeoutMs: 700 }).send(message, { timeoutMs: 1_500 }));
    await clock.advance(10_000);
    rival.close();

    // It is found out at the next look, at most 32 ms later.
    const late = { default: 3_000, producer: 700, send: 1_500 };
    for (const [name, due] of Object.entries(late)) {
      expect(ended[name]).toBeGreaterThanOrEqual(due);
      expect(ended[name]).toBeLessThan(due + 50);
    }
  });

  it("does not fail a send that can be stored at once, however long the event loop was blocked", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const producer = broker.mq.producer({ group: "shop", sendTimeoutMs: 1 });

    const sent = producer.send(message);
    broker.clock.setTime(broker.clock.now() + 60_000);

    expect((await sent).queueOffset).toBe(0);
  });

  it("leaves the message to its signal while the store is locked", async () => {
    using folder = tempFolder();
    await using broker = await openTestBroker({ path: folder.file("app.db"), defaultQueueCount: 1 });
    const { mq, clock } = broker;
    const producer = mq.producer({ group: "shop" });
    const rival = new Database(folder.file("app.db"));
    rival.exec("BEGIN IMMEDIATE");
    const controller = new AbortController();

    const sent = producer.send(message, { signal: controller.signal });
    await clock.advance(200);
    controller.abort();
    await expect(sent).rejects.toMatchObject({ name: "AbortError" });
    rival.close();
    await clock.advance(200);

    expect(await mq.admin.listTopics()).toEqual([]);
    expect(clock.pendingTimers).toBe(0);
  });
});

describe("sendSync on a store that another writer keeps locked", () => {
  it("fails after busyTimeoutMs with 2; nothing is stored, and pending sends stay pending", async () => {
    using folder = tempFolder();
    await using broker = await openTestBroker({ path: folder.file("app.db"), busyTimeoutMs: 10, defaultQueueCount: 1 });
    const { mq, clock } = broker;
    const producer = mq.producer({ group: "shop" });
    const rival = new Database(folder.file("app.db"));
    rival.exec("BEGIN IMMEDIATE");

    const pending = producer.send({ topic: "orders", body: "a" });
    expect(() => producer.sendSync(message)).toThrow("another writer held the store's lock for 10 ms");
    rival.close();
    await clock.advance(200);

    expect((await pending).queueOffset).toBe(0);
    expect(await storedIn(mq, "orders")).toEqual(["0 a"]);
  });
});

describe("a body whose memory changes its size before the commit", () => {
  const ResizableBuffer = ArrayBuffer as unknown as new (
    length: number,
    options: { readonly maxByteLength: number },
  ) => ArrayBuffer & { resize(length: number): void };

  it.each<[string, (buffer: ArrayBuffer & { resize(length: number): void }) => void]>([
    ["shrinks", (buffer) => buffer.resize(4)],
    ["grows", (buffer) => buffer.resize(16)],
    ["is transferred to somebody else", (buffer) => void structuredClone(buffer, { transfer: [buffer] })],
  ])("is refused with 13 when it %s; what is sent beside it is stored", async (_how, change) => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const producer = broker.mq.producer({ group: "shop" });
    const buffer = new ResizableBuffer(8, { maxByteLength: 16 });
    const changing = { topic: "orders", body: new Uint8Array(buffer) };

    const sends = [
      producer.send({ topic: "orders", body: "before" }),
      producer.send(changing),
      producer.sendBatch([{ topic: "orders", body: "in its batch" }, changing]),
      producer.send({ topic: "orders", body: "after" }),
    ];
    change(buffer);
    const outcomes = await Promise.allSettled(sends);

    const refused = { status: "rejected", reason: { code: "ERR_MQ_MESSAGE_ILLEGAL", responseCode: 13 } };
    expect(outcomes).toMatchObject([{ status: "fulfilled" }, refused, refused, { status: "fulfilled" }]);
    expect(await storedIn(broker.mq, "orders")).toEqual(["0 before", "1 after"]);
  });
});
