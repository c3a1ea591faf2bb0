import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import type { MqError } from "../../lib/index.js";
import { liveCopies } from "../support/live-copies.js";
import { tempFolder } from "../support/temp-folder.js";
import { openTestBroker, type TestBroker } from "../support/test-broker.js";

const FULL = { code: "ERR_MQ_SERVICE_NOT_AVAILABLE", responseCode: 14 } as const;
/** No page of the database has room for it. */
const LARGE = "x".repeat(50_000);

interface Setup extends AsyncDisposable {
  readonly test: TestBroker;
  readonly database: Database.Database;
  /** What `error` events said. */
  readonly errors: readonly MqError[];
  /** From now on the file grows no more. */
  fill(): void;
  makeRoom(): void;
}

async function setup(mode: "owned" | "attached"): Promise<Setup> {
  const folder = tempFolder();
  const owner = mode === "owned" ? undefined : new Database(folder.file("app.db"));
  const place = owner === undefined ? { path: folder.file("app.db") } : { database: owner };
  const test = await openTestBroker({ defaultQueueCount: 1, ...place });
  const database = test.mq.database as Database.Database;
  const errors: MqError[] = [];
  test.mq.on("error", (error) => void errors.push(error));
  return {
    test,
    database,
    errors,
    fill: () => database.pragma(`max_page_count = ${database.pragma("page_count", { simple: true })}`),
    makeRoom: () => database.pragma("max_page_count = 1000000"),
    [Symbol.asyncDispose]: async () => {
      await test[Symbol.asyncDispose]();
      owner?.close();
      folder[Symbol.dispose]();
    },
  };
}

describe.each(["owned", "attached"] as const)("a file that may not grow, %s", (mode) => {
  it("refuses sends of every kind with 14, stores nothing of them, and takes the next ones once there is room", async () => {
    await using full = await setup(mode);
    const { test, database } = full;
    const producer = test.mq.producer({ group: "shop" });
    const large = (body: string) => ({ topic: "orders", body: `${body} ${LARGE}` });
    await producer.send({ topic: "orders", body: "first" });

    full.fill();
    const sends = [producer.send(large("a")), producer.sendBatch([{ topic: "orders", body: "b" }, large("c")])];
    const results = await Promise.allSettled(sends);
    expect(() => producer.sendSync(large("d"))).toThrow(expect.objectContaining(FULL));
    const whileFull = [...liveCopies(database, "orders", "billing").keys()];
    full.makeRoom();
    producer.sendSync({ topic: "orders", body: "d" });
    await producer.sendBatch([{ topic: "orders", body: "b" }, large("c")]);

    for (const result of results)
      expect(result).toMatchObject({ status: "rejected", reason: { ...FULL, cause: { code: "SQLITE_FULL" } } });
    expect(whileFull).toEqual(["first"]);
    expect([...liveCopies(database, "orders", "billing").keys()]).toEqual(["first", "d", "b", `c ${LARGE}`]);
  });

  it("leaves a message that cannot be sent back with its consumer, which gets it again each 5 s until there is room", async () => {
    await using full = await setup(mode);
    const { test, database, errors } = full;
    const start = test.clock.now();
    const attempts: (readonly [at: number, reconsumeTimes: number])[] = [];
    const consumer = test.mq.pushConsumer({
      group: "billing",
      subscriptions: { orders: "*" },
      listener: ({ reconsumeTimes }) => {
        attempts.push([test.clock.now() - start, reconsumeTimes]);
        if (attempts.length === 1) full.fill();
        return attempts.length < 4 ? "retry" : "success";
      },
    });
    await consumer.start();
    await test.mq.producer({ group: "shop" }).send({ topic: "orders", body: LARGE });

    await test.clock.advance(9_000);
    const whileFull = liveCopies(database, "orders", "billing").get(LARGE);
    full.makeRoom();
    await test.clock.advance(1_000);
    const afterwards = liveCopies(database, "orders", "billing").get(LARGE);
    await test.clock.advance(20_000);

    expect(errors).toEqual([expect.objectContaining(FULL), expect.objectContaining(FULL)]);
    expect([whileFull, afterwards]).toEqual([["queue"], ["due"]]);
    // The step after the message's last one, whatever memory counted meanwhile.
    expect(attempts).toEqual([
      [0, 0],
      [5_000, 1],
      [10_000, 2],
      [20_000, 1],
    ]);
    expect(liveCopies(database, "orders", "billing").get(LARGE)).toEqual([]);
  });

  it("delivers a retry that is due all the same: it takes the room that it gives up", async () => {
    await using full = await setup(mode);
    const { test, database, errors } = full;
    const attempts: number[] = [];
    const consumer = test.mq.pushConsumer({
      group: "billing",
      subscriptions: { orders: "*" },
      listener: ({ reconsumeTimes }) => {
        attempts.push(reconsumeTimes);
        return reconsumeTimes === 0 ? "retry" : "success";
      },
    });
    await consumer.start();
    await test.mq.producer({ group: "shop" }).send({ topic: "orders", body: LARGE });
    await test.clock.advance(9_000);

    full.fill();
    await test.clock.advance(2_000);

    expect(attempts).toEqual([0, 1]);
    expect(errors).toEqual([]);
    expect(liveCopies(database, "orders", "billing").get(LARGE)).toEqual([]);
  });

  it("says that offsets cannot be stored, and stores them once there is room", async () => {
    await using full = await setup(mode);
    const { test, database, errors } = full;
    // Rows of 250 bytes: those of 40 queues need more than the page that the table has.
    const topic = "orders-".padEnd(120, "x");
    const group = "billing-".padEnd(120, "x");
    await test.mq.admin.createTopic(topic, { readQueueNums: 40, writeQueueNums: 40 });
    const producer = test.mq.producer({ group: "shop" });
    await Promise.all(Array.from({ length: 40 }, (_, n) => producer.send({ topic, body: `${n}` }, { queue: n })));
    let delivered = 0;
    const consumer = test.mq.pushConsumer({
      group,
      subscriptions: { [topic]: "*" },
      listener: () => {
        delivered += 1;
        full.fill();
      },
    });
    const unacknowledged = () => [...liveCopies(database, topic, group).values()].flat().length;

    await consumer.start();
    await test.clock.advance(500);
    const whileFull = unacknowledged();
    full.makeRoom();
    await test.clock.advance(1_000);

    expect(errors.length).toBeGreaterThan(0);
    for (const error of errors) expect(error).toMatchObject({ ...FULL, cause: { code: "SQLITE_FULL" } });
    expect(whileFull).toBe(40);
    expect(unacknowledged()).toBe(0);
    expect(delivered).toBe(40);
  });
});
