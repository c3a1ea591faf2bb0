import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { isMqError, type MessageListener, type MqError, type SendReceipt } from "../../lib/index.js";
import { liveCopies, type Place } from "../support/live-copies.js";
import { tempFolder } from "../support/temp-folder.js";
import { openTestBroker, type TestBroker } from "../support/test-broker.js";

const BUSY = { code: "ERR_MQ_SYSTEM_BUSY", responseCode: 2 } as const;
/** A lock that is gone is noticed so much later at most. */
const NOTICED_MS = 50;

interface Setup extends AsyncDisposable {
  readonly test: TestBroker;
  readonly errors: readonly MqError[];
  /** Another connection takes the write lock. */
  lock(): void;
  unlock(): void;
  send(body: string): Promise<SendReceipt>;
  consume(listener: MessageListener): Promise<void>;
  copiesOf(body: string): readonly Place[] | undefined;
}

async function setup(mode: "owned" | "attached"): Promise<Setup> {
  const folder = tempFolder();
  const owner = mode === "owned" ? undefined : new Database(folder.file("app.db"));
  const place = owner === undefined ? { path: folder.file("app.db") } : { database: owner };
  const test = await openTestBroker({ defaultQueueCount: 1, ...place });
  const other = new Database(folder.file("app.db"), { timeout: 0 });
  const errors: MqError[] = [];
  test.mq.on("error", (error) => void errors.push(error));
  const producer = test.mq.producer({ group: "shop" });
  return {
    test,
    errors,
    lock: () => void other.exec("BEGIN IMMEDIATE"),
    unlock: () => void other.exec("ROLLBACK"),
    send: (body) => producer.send({ topic: "orders", body }),
    consume: (listener) => test.mq.pushConsumer({ group: "billing", subscriptions: { orders: "*" }, listener }).start(),
    copiesOf: (body) => liveCopies(other, "orders", "billing").get(body),
    [Symbol.asyncDispose]: async () => {
      await test[Symbol.asyncDispose]();
      other.close();
      owner?.close();
      folder[Symbol.dispose]();
    },
  };
}

/** Codes from an error down to what caused it all. */
function codesOf(error: unknown): readonly unknown[] {
  if (!(error instanceof Error)) return [];
  return [isMqError(error) ? error.code : (error as { readonly code?: unknown }).code, ...codesOf(error.cause)];
}

describe.each(["owned", "attached"] as const)("a file that another connection has locked, %s", (mode) => {
  it("gets what is sent once the lock is gone, within the time-out of the send", async () => {
    await using file = await setup(mode);
    const { clock } = file.test;
    await file.send("first");

    file.lock();
    const sending = file.send("a");
    await clock.advance(2_900);
    const whileLocked = file.copiesOf("a");
    file.unlock();
    await clock.advance(NOTICED_MS);

    expect(whileLocked).toBeUndefined();
    expect((await sending).queueOffset).toBe(1);
    expect(file.errors).toEqual([]);
  });

  it("refuses a send after its time-out with 2 and SQLite's error, stores nothing of it, and takes the next one", async () => {
    await using file = await setup(mode);
    const { clock } = file.test;
    await file.send("first");

    file.lock();
    const [refused] = await Promise.all([file.send("a").catch((error: unknown) => error), clock.advance(3_100)]);
    file.unlock();
    const next = await file.send("b");

    expect(refused).toMatchObject(BUSY);
    expect(codesOf(refused)).toEqual(["ERR_MQ_SYSTEM_BUSY", "SQLITE_BUSY"]);
    expect(file.copiesOf("a")).toBeUndefined();
    expect(next.queueOffset).toBe(1);
  });

  it("gets an acknowledgement once the lock is gone, however long that takes; the message comes once", async () => {
    await using file = await setup(mode);
    const { clock } = file.test;
    let delivered = 0;
    await file.consume(() => {
      delivered += 1;
      file.lock();
    });
    await file.send("a");

    await clock.advance(10_000);
    const whileLocked = file.copiesOf("a");
    file.unlock();
    await clock.advance(NOTICED_MS);

    expect(whileLocked).toEqual(["queue"]);
    expect(file.copiesOf("a")).toEqual([]);
    expect(delivered).toBe(1);
    expect(file.errors).toEqual([]);
  });

  it("gets what is sent back once the lock is gone, within 3 s; only then the delay begins", async () => {
    await using file = await setup(mode);
    const { clock } = file.test;
    const start = clock.now();
    const attempts: number[] = [];
    await file.consume(() => {
      attempts.push(clock.now() - start);
      if (attempts.length === 1) file.lock();
      return attempts.length === 1 ? "retry" : "success";
    });
    await file.send("a");

    await clock.advance(2_900);
    const whileLocked = file.copiesOf("a");
    file.unlock();
    await clock.advance(NOTICED_MS);
    const afterwards = file.copiesOf("a");
    await clock.advance(10_000);

    expect([whileLocked, afterwards]).toEqual([["queue"], ["due"]]);
    expect(attempts).toEqual([0, expect.any(Number)]);
    expect(attempts[1]).toBeGreaterThanOrEqual(12_900);
    expect(file.errors).toEqual([]);
  });

  it("leaves a message that cannot be sent back for 3 s with its consumer, which gets it again 5 s later", async () => {
    await using file = await setup(mode);
    const { clock } = file.test;
    const start = clock.now();
    const attempts: (readonly [at: number, reconsumeTimes: number])[] = [];
    await file.consume(({ reconsumeTimes }) => {
      attempts.push([clock.now() - start, reconsumeTimes]);
      if (attempts.length === 1) file.lock();
      return attempts.length < 3 ? "retry" : "success";
    });
    await file.send("a");

    await clock.advance(4_000);
    const whileLocked = file.copiesOf("a");
    file.unlock();
    await clock.advance(5_000);
    const afterwards = file.copiesOf("a");
    await clock.advance(10_000);

    expect(file.errors).toEqual([expect.objectContaining(BUSY)]);
    expect(codesOf(file.errors[0]).at(-1)).toBe("SQLITE_BUSY");
    expect([whileLocked, afterwards]).toEqual([["queue"], ["due"]]);
    expect(attempts.map(([, reconsumeTimes]) => reconsumeTimes)).toEqual([0, 1, 1]);
    expect(attempts[1]?.[0]).toBeGreaterThanOrEqual(8_000);
    expect(attempts[1]?.[0]).toBeLessThan(8_000 + NOTICED_MS);
    expect(file.copiesOf("a")).toEqual([]);
  });

  it("keeps a retry that is due, says so each few seconds, and delivers it once the lock is gone", async () => {
    await using file = await setup(mode);
    const { clock } = file.test;
    const attempts: number[] = [];
    await file.consume(({ reconsumeTimes }) => {
      attempts.push(reconsumeTimes);
      return reconsumeTimes === 0 ? "retry" : "success";
    });
    await file.send("a");
    await clock.advance(9_000);

    file.lock();
    await clock.advance(10_000);
    const whileLocked = [file.copiesOf("a"), file.errors.length, [...attempts]];
    file.unlock();
    await clock.advance(1_100);

    expect(whileLocked).toEqual([["due"], 2, [0]]);
    for (const error of file.errors) {
      expect(error).toMatchObject(BUSY);
      expect(codesOf(error).at(-1)).toBe("SQLITE_BUSY");
    }
    expect(attempts).toEqual([0, 1]);
    expect(file.copiesOf("a")).toEqual([]);
  });
});
