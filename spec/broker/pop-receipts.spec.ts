import { describe, expect, it } from "vitest";
import type { StoredMessageView } from "../../lib/message/message-view.js";
import type { ReceiptHandle } from "../../lib/message/receipt-handle.js";
import { openFaultDriver } from "../support/fault-driver.js";
import type { TestPort } from "../support/local-broker.js";
import { tempFolder } from "../support/temp-folder.js";
import {
  acknowledge,
  changeInvisible,
  GROUP,
  INVISIBLE_MS,
  offsetsOf,
  openPopPort,
  pop,
  popPort,
  rowsOf,
  send,
  TOPIC,
  texts,
} from "./pop-port.js";

const STALE = { code: "ERR_MQ_RECEIPT_HANDLE", responseCode: 208 } as const;

/** Uses this handle for the message. */
function acknowledgeWith({ port }: TestPort, message: StoredMessageView | undefined, part: Partial<ReceiptHandle>) {
  const { storedTopic, receiptHandle } = message as StoredMessageView;
  return port.acknowledge({
    group: GROUP,
    topic: storedTopic,
    handle: { ...(receiptHandle as ReceiptHandle), ...part },
  });
}

describe("an acknowledgement", () => {
  it("sets a bit of its checkpoint, which goes with the last one", async () => {
    await using broker = await popPort(["a", "b", "c"]);
    const [a, b, c] = await pop(broker);

    await acknowledge(broker, [b]);
    const bits = rowsOf(broker, "mq_pop").map((row) => row["acknowledged"]);
    await acknowledge(broker, [a, c]);

    expect(bits).toEqual([2]);
    expect(rowsOf(broker, "mq_pop")).toEqual([]);
  });

  it("of all 32 messages of a pop deletes its checkpoint", async () => {
    await using broker = await popPort(Array.from({ length: 32 }, (_, index) => `${index}`));
    const popped = await pop(broker);

    await acknowledge(broker, popped.slice(1));
    const bits = rowsOf(broker, "mq_pop").map((row) => row["acknowledged"]);
    await acknowledge(broker, popped.slice(0, 1));

    expect(bits).toEqual([0xffff_fffe]);
    expect(rowsOf(broker, "mq_pop")).toEqual([]);
  });

  it("lasts: the message does not come again when the time of the others is up", async () => {
    await using broker = await popPort(["a", "b"]);
    const [a] = await pop(broker);

    await acknowledge(broker, [a]);
    await broker.clock.advance(INVISIBLE_MS);

    expect(texts(await pop(broker))).toEqual(["b"]);
  });

  it("is taken until the last millisecond", async () => {
    await using broker = await popPort(["a"]);
    const popped = await pop(broker);

    await broker.clock.advance(INVISIBLE_MS - 1);
    await acknowledge(broker, popped);

    await broker.clock.advance(INVISIBLE_MS);
    expect(await pop(broker)).toEqual([]);
  });

  it.each([0, 1, 100_000])("that comes %i ms after its time changes nothing", async (lateMs) => {
    await using broker = await popPort(["a"]);
    const popped = await pop(broker);

    await broker.clock.advance(INVISIBLE_MS + lateMs);
    await expect(acknowledge(broker, popped)).rejects.toMatchObject(STALE);

    expect(texts(await pop(broker))).toEqual(["a"]);
  });

  it("that comes when its time is up says so, also before the message was moved", async () => {
    await using broker = await popPort(["a"]);
    const popped = await pop(broker);

    broker.clock.setTime(broker.clock.now() + INVISIBLE_MS + 5);

    await expect(acknowledge(broker, popped)).rejects.toThrow("ran out 5 ms ago");
    expect(rowsOf(broker, "mq_pop")).toMatchObject([{ acknowledged: 0 }]);
  });

  it("that comes a second time is refused, in the same turn and later", async () => {
    await using broker = await popPort(["a", "b"]);
    const [a] = await pop(broker);

    const [first, second] = await Promise.allSettled([acknowledge(broker, [a]), acknowledge(broker, [a])]);
    const third = acknowledge(broker, [a]);

    expect([first?.status, second?.status]).toEqual(["fulfilled", "rejected"]);
    await expect(third).rejects.toMatchObject(STALE);
    expect(rowsOf(broker, "mq_pop")).toMatchObject([{ acknowledged: 1 }]);
  });

  it.each<[string, Partial<ReceiptHandle>]>([
    ["of another broker", { brokerName: "broker-b" }],
    ["of another pop", { popKey: 7 }],
    ["of nobody's pop", { popKey: 0 }],
    ["of another queue", { queueId: 1 }],
    ["of another message", { queueOffset: 9 }],
    ["of an orderly group", { reviveQueueId: 999 }],
  ])("with a handle %s is refused, and nothing has changed", async (_what, part) => {
    await using broker = await popPort(["a", "b"], { queues: 2 });
    const [a] = await pop(broker);

    await expect(acknowledgeWith(broker, a, part)).rejects.toMatchObject(STALE);

    expect(rowsOf(broker, "mq_pop")).toMatchObject([{ acknowledged: 0 }]);
  });

  it("with the handle of another group is refused", async () => {
    await using broker = await popPort(["a"]);
    const popped = await pop(broker);

    await expect(acknowledge(broker, popped, "shipping")).rejects.toMatchObject(STALE);
    await acknowledge(broker, popped);
  });

  it("with the handle of another store is refused, though their first pops look alike", async () => {
    await using mine = await popPort(["a"]);
    await using other = await popPort(["a"], { seed: 2 });
    const [theirs] = await pop(other);
    await pop(mine);

    await expect(acknowledge(mine, [theirs])).rejects.toMatchObject(STALE);
  });

  it("with the handle of the delivery before is refused, though all happens within one millisecond", async () => {
    await using broker = await popPort(["a"]);
    const first = await pop(broker, { invisibleMs: 0 });
    await broker.clock.advance(0);
    const second = await pop(broker, { invisibleMs: 0 });
    await broker.clock.advance(0);
    const third = await pop(broker);

    await expect(acknowledge(broker, first)).rejects.toMatchObject(STALE);
    await expect(acknowledge(broker, second)).rejects.toMatchObject(STALE);
    await acknowledge(broker, third);

    expect(third.map(({ deliveryAttempt }) => deliveryAttempt)).toEqual([3]);
  });

  it("is stored for all messages of a pop with one read and one write where they come in one turn", async () => {
    const driver = openFaultDriver();
    await using broker = await openPopPort({ database: driver.database });
    await send(
      broker,
      Array.from({ length: 32 }, (_, index) => `${index}`),
    );
    const popped = await pop(broker);
    const statements: string[] = [];
    driver.onRun = (source) => void (source.includes("mq_pop") && statements.push(source.split(" ")[0] ?? ""));
    driver.onRead = (source) => void (source.includes("mq_pop WHERE pop_key") && statements.push("SELECT"));

    await acknowledge(broker, popped.slice(0, 31));
    await acknowledge(broker, popped.slice(31));
    driver.onRun = undefined;

    expect(statements).toEqual(["SELECT", "UPDATE", "SELECT", "DELETE"]);
  });

  it("is none when its commit is rolled back, and may be tried again", async () => {
    const driver = openFaultDriver();
    await using broker = await openPopPort({ database: driver.database });
    await send(broker, ["a", "b"]);
    const [a, b] = await pop(broker);

    driver.fail("UPDATE mq_pop", "SQLITE_FULL", "rolled back");
    await expect(acknowledge(broker, [a])).rejects.toMatchObject({ code: "ERR_MQ_SERVICE_NOT_AVAILABLE" });
    driver.heal();
    await acknowledge(broker, [b]);

    expect(rowsOf(broker, "mq_pop")).toMatchObject([{ acknowledged: 2 }]);
    await acknowledge(broker, [a]);
  });

  it("fails alone when SQLite refuses what another one of its turn writes", async () => {
    const driver = openFaultDriver();
    await using broker = await openPopPort({ database: driver.database });
    await send(broker, ["a", "b"]);
    const [[a], [b]] = [await pop(broker, { maxMessages: 1 }), await pop(broker, { maxMessages: 1 })];
    driver.database.exec(
      `CREATE TRIGGER guard BEFORE DELETE ON mq_pop WHEN old.start_offset = 0 BEGIN SELECT raise(ABORT, 'no'); END`,
    );

    const outcomes = await Promise.allSettled([acknowledge(broker, [a]), acknowledge(broker, [b])]);
    driver.database.exec("DROP TRIGGER guard");

    expect(outcomes).toMatchObject([{ status: "rejected", reason: { code: "ERR_MQ_STORE" } }, { status: "fulfilled" }]);
    expect(rowsOf(broker, "mq_pop")).toMatchObject([{ start_offset: 0, acknowledged: 0 }]);
  });
});

describe("a change of the invisible duration", () => {
  it("gives the message a handle of its own, from now on, and takes it out of its pop", async () => {
    await using broker = await popPort(["a", "b"]);
    const [, b] = await pop(broker);
    await broker.clock.advance(1_000);

    const handle = await changeInvisible(broker, b, 60_000);

    expect(handle).toMatchObject({ startOffset: 1, queueOffset: 1, popTime: 1_700_000_001_000, invisibleMs: 60_000 });
    expect(rowsOf(broker, "mq_pop")).toMatchObject([
      { start_offset: 0, message_count: 2, acknowledged: 2 },
      { start_offset: 1, message_count: 1, acknowledged: 0, visible_at: 1_700_000_061_000 },
    ]);
  });

  it("makes the handle before it useless, and the new one useful", async () => {
    await using broker = await popPort(["a"]);
    const [a] = await pop(broker);

    const handle = await changeInvisible(broker, a, 60_000);

    await expect(acknowledge(broker, [a])).rejects.toMatchObject(STALE);
    await expect(changeInvisible(broker, a, 60_000)).rejects.toMatchObject(STALE);
    await acknowledgeWith(broker, a, handle);
    expect(rowsOf(broker, "mq_pop")).toEqual([]);
  });

  it("may be the second of one turn only for another message", async () => {
    await using broker = await popPort(["a", "b"]);
    const [a, b] = await pop(broker);

    const outcomes = await Promise.allSettled([
      changeInvisible(broker, a, 1_000),
      changeInvisible(broker, a, 1_000),
      changeInvisible(broker, b, 1_000),
    ]);

    expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect(rowsOf(broker, "mq_pop")).toMatchObject([{ start_offset: 0 }, { start_offset: 1 }]);
  });

  it.each([
    [0, 0],
    [1_000, 1_000],
    [3_600_000, 3_600_000],
  ])("to %i ms has the message come again after %i ms", async (durationMs, afterMs) => {
    await using broker = await popPort(["a"]);
    const [a] = await pop(broker);

    await changeInvisible(broker, a, durationMs);
    if (afterMs > 0) {
      await broker.clock.advance(afterMs - 1);
      expect(await pop(broker)).toEqual([]);
      await broker.clock.advance(1);
    } else await broker.clock.advance(0);

    expect(await pop(broker)).toMatchObject([{ deliveryAttempt: 2 }]);
  });

  it("after its time is refused, and nothing has changed", async () => {
    await using broker = await popPort(["a"]);
    const [a] = await pop(broker);
    broker.clock.setTime(broker.clock.now() + INVISIBLE_MS);

    await expect(changeInvisible(broker, a, 60_000)).rejects.toMatchObject(STALE);

    expect(rowsOf(broker, "mq_pop")).toMatchObject([{ acknowledged: 0 }]);
  });
});

describe("a store that is opened again", () => {
  it("knows what is popped, takes its acknowledgement, and gives no key twice", async () => {
    using folder = tempFolder();
    const path = folder.file("app.db");
    let popped: readonly StoredMessageView[] = [];
    {
      await using first = await openPopPort({ path });
      await send(first, ["a", "b"]);
      popped = await pop(first);
    }

    await using second = await openPopPort({ path });
    const [a, b] = popped;
    await acknowledge(second, [a]);
    await second.clock.advance(INVISIBLE_MS);
    const [again] = await pop(second);

    await expect(acknowledge(second, [b])).rejects.toMatchObject(STALE);
    expect(again?.text()).toBe("b");
    expect(again?.receiptHandle?.popKey).toBeGreaterThan(b?.receiptHandle?.popKey ?? 0);
    expect(offsetsOf(second)).toEqual([2]);
    expect(TOPIC).toBe(again?.topic);
  });
});
