import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import type { Broker, ConsumeContext, MessageView, PushConsumer } from "../../lib/index.js";
import { tempFolder } from "../support/temp-folder.js";
import { openTestBroker } from "../support/test-broker.js";

const ONE_QUEUE = { readQueueNums: 1, writeQueueNums: 1 };
/** Whoever waits for a listener that waits for him fails the spec. */
const FOREVER = { graceMs: 2 ** 31 - 1 };

async function send(mq: Broker, ...bodies: string[]): Promise<void> {
  await mq.producer({ group: "shop" }).sendBatch(bodies.map((body) => ({ topic: "orders", body })));
}

/** Settles from outside. */
function deferred(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((settle) => (resolve = settle));
  return { promise, resolve };
}

function storedOffsets(path: string): readonly unknown[] {
  using database = disposable(new Database(path, { readonly: true }));
  const ofTopic = "SELECT next_offset FROM mq_consume_offset WHERE topic = 'orders' ORDER BY queue_id";
  return database.prepare(ofTopic).pluck().all();
}

function disposable(database: Database.Database): Database.Database & Disposable {
  return Object.assign(database, { [Symbol.dispose]: () => void database.close() });
}

describe("PushConsumer.close", () => {
  it("takes no new work, waits for the listeners that run, and keeps what they acknowledged", async () => {
    using folder = tempFolder();
    await using broker = await openTestBroker({ path: folder.file("app.db") });
    const { mq, clock } = broker;
    await mq.admin.createTopic("orders", ONE_QUEUE);
    const [first, received] = [deferred(), [] as string[]];
    const signals: AbortSignal[] = [];
    const consumer = mq.pushConsumer({
      group: "billing",
      subscriptions: { orders: "*" },
      consumeConcurrency: 1,
      listener: async (message, { signal }) => {
        received.push(message.text());
        signals.push(signal);
        await first.promise;
      },
    });
    await consumer.start();
    await send(mq, "running", "queued");
    await clock.settle();

    const closing = consumer.close(FOREVER);
    await send(mq, "sent while closing");
    await clock.settle();
    first.resolve();
    await closing;

    expect(received).toEqual(["running"]);
    expect(signals.map(({ aborted }) => aborted)).toEqual([false]);
    expect(storedOffsets(folder.file("app.db"))).toEqual([1]);
    expect([consumer.assignment, await mq.admin.getGroup("billing")]).toMatchObject([[], { members: 0 }]);
  });

  it("aborts the signals of listeners that outlast graceMs, ignores what they return, and does not count the attempt", async () => {
    using folder = tempFolder();
    const path = folder.file("app.db");
    const late = deferred();
    const contexts: ConsumeContext[] = [];
    const reasons: unknown[] = [];
    {
      await using broker = await openTestBroker({ path });
      await send(broker.mq, "slow");
      const listener = async (_message: MessageView, context: ConsumeContext): Promise<void> => {
        contexts.push(context);
        context.signal.addEventListener("abort", () => reasons.push(context.signal.reason));
        await late.promise;
      };
      const consumer = broker.mq.pushConsumer({ group: "billing", subscriptions: { orders: "*" }, listener });
      await consumer.start();
      await broker.clock.settle();

      await consumer.close({ graceMs: 0 });
    }
    await using broker = await openTestBroker({ path });
    const received: string[] = [];
    const listener = ({ deliveryAttempt }: MessageView): void => void received.push(`attempt ${deliveryAttempt}`);
    late.resolve();
    await late.promise;

    const consumer = broker.mq.pushConsumer({ group: "billing", subscriptions: { orders: "*" }, listener });
    await consumer.start();
    await broker.clock.settle();

    expect(reasons).toEqual([expect.objectContaining({ code: "ERR_MQ_CLOSED" })]);
    expect(received).toEqual(["attempt 1"]);
  });

  it("aborts a signal that is asked for only afterwards", async () => {
    await using broker = await openTestBroker();
    const late = deferred();
    const seen: boolean[] = [];
    await send(broker.mq, "slow");
    const listener = async (_message: MessageView, context: ConsumeContext): Promise<void> => {
      await late.promise;
      seen.push(context.signal.aborted);
    };
    const consumer = broker.mq.pushConsumer({ group: "billing", subscriptions: { orders: "*" }, listener });
    await consumer.start();
    await broker.clock.settle();

    await consumer.close({ graceMs: 0 });
    late.resolve();
    await broker.clock.settle();

    expect(seen).toEqual([true]);
  });

  it.each([
    ["leaves what was sent back to the next consumer, which gets it as the next attempt", "RW", [1, 2]],
    ["forgets what could not be sent back, which comes again as the first attempt", "R", [1, 2, 1]],
  ] as const)("%s", async (_rule, perm, expected) => {
    await using broker = await openTestBroker();
    const { mq, clock } = broker;
    await mq.admin.createTopic("%RETRY%billing", { readQueueNums: 1, writeQueueNums: 1, perm });
    await send(mq, "bad");
    const attempts: number[] = [];
    const make = (): PushConsumer =>
      mq.pushConsumer({
        group: "billing",
        subscriptions: { orders: "*" },
        listener: ({ deliveryAttempt }) => {
          attempts.push(deliveryAttempt);
          return "retry";
        },
      });
    const first = make();
    await first.start();
    await clock.advance(5_000);

    await first.close();
    await clock.advance(60_000);
    await make().start();
    await clock.settle();

    expect(attempts).toEqual(expected);
  });

  it("waits until what failed meanwhile is sent back", async () => {
    await using broker = await openTestBroker();
    const { mq, clock } = broker;
    await mq.admin.createTopic("orders", ONE_QUEUE);
    await send(mq, "bad");
    const [started, failing] = [deferred(), deferred()];
    const attempts: number[] = [];
    const listener = async ({ deliveryAttempt }: MessageView): Promise<void> => {
      attempts.push(deliveryAttempt);
      started.resolve();
      await failing.promise;
      if (deliveryAttempt === 1) throw new Error("no");
    };
    const make = (): PushConsumer => mq.pushConsumer({ group: "billing", subscriptions: { orders: "*" }, listener });
    const first = make();
    await first.start();
    await started.promise;

    const closing = first.close(FOREVER);
    failing.resolve();
    await closing;
    await make().start();
    await clock.advance(10_000);

    expect(attempts).toEqual([1, 2]);
  });

  it("comes again from the lowest unacknowledged message after {0, 2} were acknowledged", async () => {
    using folder = tempFolder();
    const path = folder.file("app.db");
    const hang = new Promise<void>(() => undefined);
    {
      await using broker = await openTestBroker({ path });
      await broker.mq.admin.createTopic("orders", ONE_QUEUE);
      await send(broker.mq, "0", "1", "2");
      const listener = (message: MessageView): Promise<void> | undefined => (message.text() === "1" ? hang : undefined);
      await broker.mq.pushConsumer({ group: "billing", subscriptions: { orders: "*" }, listener }).start();
      await broker.clock.settle();
      await broker.mq.close({ graceMs: 0 });
    }
    await using broker = await openTestBroker({ path });
    const received: string[] = [];
    const listener = (message: MessageView): void => void received.push(message.text());

    await broker.mq.pushConsumer({ group: "billing", subscriptions: { orders: "*" }, listener }).start();
    await broker.clock.settle();

    expect(received).toEqual(["1", "2"]);
  });

  it("gives up a queue that goes to another member while it waits for its listeners, whose failures count no more", async () => {
    await using broker = await openTestBroker();
    const { mq, clock } = broker;
    await mq.admin.createTopic("orders", { readQueueNums: 2, writeQueueNums: 2 });
    await mq.producer({ group: "shop" }).send({ topic: "orders", body: "a" }, { queue: 1 });
    const failing: (() => void)[] = [];
    const received: string[] = [];
    const make = (instanceName: string): PushConsumer =>
      mq.pushConsumer({
        group: "billing",
        subscriptions: { orders: "*" },
        instanceName,
        listener: ({ deliveryAttempt }) => {
          received.push(`${instanceName} attempt ${deliveryAttempt}`);
          if (deliveryAttempt > 1) return undefined;
          return new Promise((resolve) => failing.push(() => resolve("retry")));
        },
      });
    const first = make("w0");
    await first.start();
    await clock.settle();

    const closing = first.close(FOREVER);
    await clock.settle();
    await make("w1").start();
    await clock.settle();
    const kept = first.assignment.map(({ queueId }) => queueId);
    for (const fail of [...failing].reverse()) {
      fail();
      await clock.advance(100);
    }
    await closing;
    await clock.advance(60_000);

    expect(kept).toEqual([0]);
    expect(received).toEqual(["w0 attempt 1", "w1 attempt 1", "w1 attempt 2"]);
  });

  it("is the same promise each time, also before start, and nothing starts or changes afterwards", async () => {
    await using broker = await openTestBroker();
    const consumer = broker.mq.pushConsumer({ group: "billing", listener: () => undefined });

    const closing = consumer.close();
    await closing;

    expect(consumer.close()).toBe(closing);
    await expect(consumer.start()).rejects.toMatchObject({ code: "ERR_MQ_CLOSED" });
    const changes = [
      () => consumer.subscribe("orders"),
      () => consumer.unsubscribe("orders"),
      () => consumer.suspend(),
      () => consumer.resume(),
    ];
    for (const change of changes) expect(change).toThrow(expect.objectContaining({ code: "ERR_MQ_CLOSED" }));
    expect(await broker.mq.admin.listGroups()).toEqual([]);
  });

  it.each([[-1], [2 ** 31], [0.5], ["5"], [null]])("refuses graceMs %j and stays open", async (graceMs) => {
    await using broker = await openTestBroker();
    const consumer = broker.mq.pushConsumer({ group: "billing", listener: () => undefined });
    await consumer.start();

    expect(() => consumer.close({ graceMs: graceMs as number })).toThrow("graceMs must be an integer from 0");

    expect(await broker.mq.admin.getGroup("billing")).toMatchObject({ members: 1 });
  });

  it.each([[true], [false]])(
    "overtakes a start that still waits, in a group that exists already: %s",
    async (exists) => {
      await using broker = await openTestBroker();
      const { mq, clock } = broker;
      await mq.admin.createTopic("orders", ONE_QUEUE);
      if (exists) await mq.admin.createGroup("billing");
      await mq.pushConsumer({ group: "other", subscriptions: { orders: "*" }, listener: () => undefined }).start();
      await send(mq, "leaves an offset to be stored");
      await new Promise<void>((resolve) => setImmediate(resolve));
      const consumer = mq.pushConsumer({ group: "billing", subscriptions: { orders: "*" }, listener: () => undefined });

      const starting = consumer.start().then(
        () => "started",
        (error: { code: string }) => error.code,
      );
      await consumer.close(FOREVER);

      expect(await starting).toBe("ERR_MQ_CLOSED");
      expect(await mq.admin.getGroup("billing")).toMatchObject({ members: 0 });
      expect(consumer.assignment).toEqual([]);
      await clock.settle();
    },
  );

  it("that overtakes a start keeps the queues that it took until its listeners have ended", async () => {
    using folder = tempFolder();
    await using broker = await openTestBroker({ path: folder.file("app.db") });
    const { mq, clock } = broker;
    await mq.admin.createTopic("orders", ONE_QUEUE);
    const [held, received] = [deferred(), [] as string[]];
    const options = { group: "billing", subscriptions: { orders: "*" } };
    const listener = (message: MessageView): void => void received.push(`stays: ${message.text()}`);
    await mq.pushConsumer({ ...options, instanceName: "2", listener }).start();
    const leaves = mq.pushConsumer({
      ...options,
      instanceName: "1",
      listener: async (message) => {
        received.push(`leaves: ${message.text()}`);
        await held.promise;
      },
    });

    const starting = leaves.start().catch((error: { code: string }) => error.code);
    const sending = send(mq, "m");
    const closing = leaves.close(FOREVER);
    await sending;
    await clock.advance(1_000);
    const meanwhile = [...received];
    held.resolve();
    await closing;
    await clock.advance(1_000);

    expect(meanwhile).toEqual(["leaves: m"]);
    expect(received).toEqual(meanwhile);
    expect(await starting).toBe("ERR_MQ_CLOSED");
    expect(await mq.admin.getGroup("billing")).toMatchObject({ members: 1 });
    expect(leaves.assignment).toEqual([]);
  });
});

describe("Broker.close", () => {
  const openPorts = (): number =>
    process.getActiveResourcesInfo().filter((resource) => resource === "MessagePort").length;

  it("lets listeners that run still send", async () => {
    using folder = tempFolder();
    const path = folder.file("app.db");
    await using broker = await openTestBroker({ path });
    const { mq, clock } = broker;
    await mq.admin.createTopic("receipts", ONE_QUEUE);
    const [started, go] = [deferred(), deferred()];
    const producer = mq.producer({ group: "shop" });
    const listener = async (): Promise<void> => {
      started.resolve();
      await go.promise;
      await producer.send({ topic: "receipts", body: "sent while closing" });
    };
    await mq.pushConsumer({ group: "billing", subscriptions: { orders: "*" }, listener }).start();
    await send(mq, "x");
    await started.promise;

    const closing = mq.close(FOREVER);
    go.resolve();
    await closing;

    await using again = await openTestBroker({ path });
    const queue = { topic: "receipts", brokerName: "broker-a", queueId: 0 };
    expect((await again.mq.admin.browse(queue, 0, 10)).map((message) => message.text())).toEqual([
      "sent while closing",
    ]);
    await clock.settle();
  });

  it("leaves no timer of its clock behind, and no handle", async () => {
    using folder = tempFolder();
    await using broker = await openTestBroker({ path: folder.file("app.db") });
    const { mq, clock } = broker;
    await mq
      .pushConsumer({ group: "billing", subscriptions: { orders: "*" }, pullIntervalMs: 10, listener: () => "retry" })
      .start();
    await send(mq, "x", "y");
    await clock.settle();
    const before = clock.pendingTimers;
    const portsBefore = openPorts();

    await mq.close();
    await clock.settle();

    expect(before).toBeGreaterThan(0);
    expect(clock.pendingTimers).toBe(0);
    expect(openPorts()).toBeLessThan(portsBefore);
  });
});

describe("a process", () => {
  const INDEX = new URL("../../dist/esm/index.js", import.meta.url).href;

  /** Runs `source` with `openBroker` in a process of its own that ends when nothing keeps it alive. */
  function run(source: string, path: string): ChildProcess {
    const code = `import { openBroker } from ${JSON.stringify(INDEX)}; const path = ${JSON.stringify(path)}; ${source}`;
    return spawn(process.execPath, ["--input-type=module", "-e", code], { stdio: ["ignore", "pipe", "inherit"] });
  }

  it("exits by itself while a broker, a producer and consumers that were not started are open", async () => {
    using folder = tempFolder();
    const child = run(
      `const mq = await openBroker(path);
       mq.pushConsumer({ group: "billing", subscriptions: { orders: "*" }, listener() {} });
       await mq.producer({ group: "shop" }).send({ topic: "orders", body: "x" });`,
      folder.file("app.db"),
    );

    expect(await once(child, "close")).toEqual([0, null]);
  });

  it("stays alive for a pull consumer that is iterated over, until the loop closes it, and then exits by itself", async () => {
    using folder = tempFolder();
    const child = run(
      `const mq = await openBroker(path);
       const consumer = mq.pullConsumer({ group: "reading", subscriptions: { orders: "*" } });
       await consumer.start();
       process.once("beforeExit", () => console.log("nothing keeps it alive"));
       setTimeout(() => mq.producer({ group: "shop" }).send({ topic: "orders", body: "read" }), 20).unref();
       for await (const message of consumer) {
         console.log(message.text());
         await consumer.close();
       }
       console.log("over");`,
      folder.file("app.db"),
    );
    const output: string[] = [];
    child.stdout?.on("data", (chunk: Buffer) => output.push(...chunk.toString().trim().split("\n")));

    expect(await once(child, "close")).toEqual([0, null]);

    expect(output).toEqual(["read", "over", "nothing keeps it alive"]);
  });

  it("stays alive for a consumer that was started, until it is closed, and then exits by itself", async () => {
    using folder = tempFolder();
    // The timer keeps nothing alive: only because the consumer does can it fire.
    const child = run(
      `const mq = await openBroker(path);
       const listener = (message) => {
         console.log(message.text());
         void mq.close().then(() => console.log("closed"));
       };
       await mq.pushConsumer({ group: "billing", subscriptions: { orders: "*" }, listener }).start();
       console.log("started");
       process.once("beforeExit", () => console.log("nothing keeps it alive"));
       setTimeout(() => mq.producer({ group: "shop" }).send({ topic: "orders", body: "delivered" }), 20).unref();`,
      folder.file("app.db"),
    );
    const output: string[] = [];
    child.stdout?.on("data", (chunk: Buffer) => output.push(...chunk.toString().trim().split("\n")));

    expect(await once(child, "close")).toEqual([0, null]);

    expect(output).toEqual(["started", "delivered", "closed", "nothing keeps it alive"]);
  });
});
