import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { CONNECTIONS, deliveries, openShared, storedIn } from "../support/shared-connection.js";
import { thrown } from "../support/thrown.js";

const codeOf = (error: unknown): unknown => (error as { readonly code: unknown }).code;
const FILES = CONNECTIONS.filter((kind) => kind.includes("file"));

describe.each(CONNECTIONS)("Broker.transaction on an %s", (kind) => {
  it("commits rows of the owner and messages together and returns what the function returned", async () => {
    await using shared = await openShared(kind);
    const { mq, clock, database } = shared;
    const producer = mq.producer({ group: "shop" });
    const received = await deliveries(mq, "orders");

    const result = mq.transaction(() => {
      database.exec("INSERT INTO invoice VALUES (7)");
      return producer.sendSync({ topic: "orders", body: "a" }).queueOffset;
    });
    await clock.advance(100);

    expect(result).toBe(0);
    expect(database.inTransaction).toBe(false);
    expect(database.prepare("SELECT id FROM invoice").pluck().safeIntegers(false).all()).toEqual([7]);
    expect(received).toEqual(["a"]);
  });

  it("hands its connection to the function", async () => {
    await using shared = await openShared(kind);

    shared.mq.transaction((database) => {
      expect(database).toBe(shared.mq.database);
      expect(database.inTransaction).toBe(true);
    });
  });

  it("rolls back rows and messages when the function throws, and throws the same", async () => {
    await using shared = await openShared(kind);
    const { mq, clock, database } = shared;
    const producer = mq.producer({ group: "shop" });
    const received = await deliveries(mq, "orders");
    const failure = new Error("the card was refused");

    const run = (): void =>
      mq.transaction(() => {
        database.exec("INSERT INTO invoice VALUES (7)");
        producer.sendSync({ topic: "orders", body: "ghost" });
        throw failure;
      });

    expect(run).toThrow(failure);
    await clock.advance(100);
    expect(database.prepare("SELECT id FROM invoice").all()).toEqual([]);
    expect((await producer.send({ topic: "orders", body: "a" })).queueOffset).toBe(0);
    await clock.advance(100);
    expect(received).toEqual(["a"]);
  });

  it("refuses an async function and rolls back what it did", async () => {
    await using shared = await openShared(kind);
    const { mq, database } = shared;
    const work = async (): Promise<void> => {
      database.exec("INSERT INTO invoice VALUES (7)");
    };

    const error = thrown(() => mq.transaction(work as unknown as () => undefined));

    expect(error).toMatchObject({ code: "ERR_MQ_INVALID_ARGUMENT" });
    expect(error.message).toContain("promise");
    expect(database.prepare("SELECT id FROM invoice").all()).toEqual([]);
  });

  it("swallows the later failure of an async function that it refused", async () => {
    await using shared = await openShared(kind);
    const work = async (): Promise<void> => {
      await Promise.resolve();
      throw new Error("late");
    };

    expect(thrown(() => shared.mq.transaction(work as unknown as () => undefined)).code).toBe(
      "ERR_MQ_INVALID_ARGUMENT",
    );
    await shared.clock.settle();
  });

  it("refuses what is no function", async () => {
    await using shared = await openShared(kind);

    const error = thrown(() => shared.mq.transaction("BEGIN" as unknown as () => undefined));

    expect(error).toMatchObject({ code: "ERR_MQ_INVALID_ARGUMENT" });
  });

  it("is refused within a transaction of its own or of the owner, which stays open", async () => {
    await using shared = await openShared(kind);
    const { mq, database } = shared;
    const nested = (): string => thrown(() => mq.transaction(() => undefined)).code;

    const codes = [mq.transaction(nested)];
    database.exec("BEGIN; INSERT INTO invoice VALUES (7)");
    codes.push(nested());
    database.exec("COMMIT");

    expect(codes).toEqual(["ERR_MQ_IN_TRANSACTION", "ERR_MQ_IN_TRANSACTION"]);
    expect(database.prepare("SELECT id FROM invoice").pluck().safeIntegers(false).all()).toEqual([7]);
  });

  it("first stores what is pending", async () => {
    await using shared = await openShared(kind);
    const { mq } = shared;
    const producer = mq.producer({ group: "shop" });

    const pending = producer.send({ topic: "orders", body: "a" });
    mq.transaction(() => producer.sendSync({ topic: "orders", body: "b" }));

    expect((await pending).queueOffset).toBe(0);
    expect(await storedIn(mq, "orders")).toEqual(["0 a", "1 b"]);
  });

  it("refuses send inside, and keeps what was stored with sendSync", async () => {
    await using shared = await openShared(kind);
    const { mq } = shared;
    const producer = mq.producer({ group: "shop" });
    let refused: Promise<unknown> = Promise.resolve();

    mq.transaction(() => {
      refused = producer.send({ topic: "orders", body: "x" }).catch((error: unknown) => error);
      producer.sendSync({ topic: "orders", body: "a" });
    });

    expect(await refused).toMatchObject({ code: "ERR_MQ_IN_TRANSACTION" });
    expect(await storedIn(mq, "orders")).toEqual(["0 a"]);
  });

  it("refuses what is sent in it after its work has ended it, and what begins another, and stores nothing", async () => {
    await using shared = await openShared(kind);
    const { mq, database } = shared;
    const producer = mq.producer({ group: "shop" });
    producer.sendSync({ topic: "orders", body: "before" });
    const refused: unknown[] = [];

    const failure = thrown(() =>
      mq.transaction(() => {
        producer.sendSync({ topic: "orders", body: "with it" });
        producer.sendSync({ topic: "invoices", body: "with it" });
        database.exec("ROLLBACK");
        refused.push(thrown(() => producer.sendSync({ topic: "orders", body: "alone" })).code);
        refused.push(thrown(() => mq.transaction(() => undefined)).code);
        void producer.send({ topic: "orders", body: "alone" }).catch((error: unknown) => refused.push(codeOf(error)));
      }),
    );
    producer.sendSync({ topic: "orders", body: "after" });

    expect(failure.code).toBe("ERR_MQ_SERVICE_NOT_AVAILABLE");
    await Promise.resolve();
    expect(refused).toEqual(["ERR_MQ_SERVICE_NOT_AVAILABLE", "ERR_MQ_IN_TRANSACTION", "ERR_MQ_IN_TRANSACTION"]);
    expect(await storedIn(mq, "orders")).toEqual(["0 before", "1 after"]);
    expect(await mq.admin.listTopics()).not.toContainEqual(expect.objectContaining({ topic: "invoices" }));
  });

  it("is refused once the broker closes", async () => {
    await using shared = await openShared(kind);
    await shared.mq.close();

    expect(thrown(() => shared.mq.transaction(() => undefined)).code).toBe("ERR_MQ_CLOSED");
  });
});

describe.each(FILES)("the write lock of Broker.transaction on an %s", (kind) => {
  it("is taken before the function writes", async () => {
    await using shared = await openShared(kind);
    const rival = new Database(shared.database.name, { timeout: 0 });

    shared.mq.transaction(() => {
      expect(() => rival.exec("BEGIN IMMEDIATE")).toThrow("locked");
    });

    rival.exec("BEGIN IMMEDIATE; ROLLBACK");
    rival.close();
  });

  it("is waited for while another writer has it, for busyTimeoutMs", async () => {
    await using shared = await openShared(kind, { busyTimeoutMs: 5 });
    const rival = new Database(shared.database.name, { timeout: 0 });

    rival.exec("BEGIN IMMEDIATE");
    const error = thrown(() => shared.mq.transaction(() => undefined));
    rival.close();

    expect(error).toMatchObject({ code: "ERR_MQ_SYSTEM_BUSY", responseCode: 2 });
  });
});

describe.each(CONNECTIONS)("a full disk inside a transaction of the owner of an %s", (kind) => {
  /** Leaves room for a few pages, then puts the limit back. */
  function fill(database: { pragma(source: string, options?: { simple?: boolean }): unknown }): Disposable {
    const before = Number(database.pragma("max_page_count", { simple: true }));
    const pages = Number(database.pragma("page_count", { simple: true }));
    database.pragma(`max_page_count = ${pages + 2}`);
    return { [Symbol.dispose]: () => void database.pragma(`max_page_count = ${before}`) };
  }
  const big = { topic: "orders", body: Buffer.alloc(200_000, "x") };

  it("fails sendSync with 14 and stores nothing of it", async () => {
    await using shared = await openShared(kind);
    const { mq, clock, database } = shared;
    const producer = mq.producer({ group: "shop" });
    producer.sendSync({ topic: "orders", body: "a" });

    {
      using _full = fill(database);
      database.exec("BEGIN");
      expect(thrown(() => producer.sendSync(big))).toMatchObject({
        code: "ERR_MQ_SERVICE_NOT_AVAILABLE",
        responseCode: 14,
      });
      if (database.inTransaction) database.exec("COMMIT");
    }
    await clock.advance(1_000);

    expect(await storedIn(mq, "orders")).toEqual(["0 a"]);
    expect((await producer.send({ topic: "orders", body: "b" })).queueOffset).toBe(1);
  });

  it("makes Broker.transaction throw although the function caught the failure, and stores nothing", async () => {
    await using shared = await openShared(kind);
    const { mq, database } = shared;
    const producer = mq.producer({ group: "shop" });
    producer.sendSync({ topic: "orders", body: "a" });

    const attempt = (): void => {
      using _full = fill(database);
      mq.transaction(() => {
        database.exec("INSERT INTO invoice VALUES (7)");
        try {
          database.prepare("INSERT INTO invoice VALUES (zeroblob(300000))").run();
        } catch {
          expect(database.inTransaction).toBe(false);
        }
      });
    };

    expect(thrown(attempt)).toMatchObject({ code: "ERR_MQ_SERVICE_NOT_AVAILABLE", responseCode: 14 });
    expect(database.prepare("SELECT id FROM invoice").all()).toEqual([]);
    expect((await producer.send({ topic: "orders", body: "b" })).queueOffset).toBe(1);
  });

  it("fails the sends of a group commit with 14, and those after it succeed", async () => {
    await using shared = await openShared(kind);
    const { mq, database } = shared;
    const producer = mq.producer({ group: "shop" });
    producer.sendSync({ topic: "orders", body: "a" });

    {
      using _full = fill(database);
      await expect(producer.send(big)).rejects.toMatchObject({
        code: "ERR_MQ_SERVICE_NOT_AVAILABLE",
        responseCode: 14,
      });
    }

    expect((await producer.send({ topic: "orders", body: "b" })).queueOffset).toBe(1);
  });
});
