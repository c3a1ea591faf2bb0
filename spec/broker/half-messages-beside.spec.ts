import { describe, expect, it } from "vitest";
import { startProducer } from "../client/transaction-support.js";
import { storedIn } from "../support/shared-connection.js";
import { openTestBroker } from "../support/test-broker.js";

describe("half messages whose time comes", () => {
  it("are asked for, and given up in public, though SQLite refuses another write at the same moment", async () => {
    const transaction = { timeoutMs: 100, checkIntervalMs: 100, checkMax: 1 };
    await using broker = await openTestBroker({ defaultQueueCount: 1, transaction });
    const { mq, clock } = broker;
    (mq.database as { exec(script: string): unknown }).exec(
      "CREATE TEMP TRIGGER bad BEFORE INSERT ON main.mq_topic WHEN NEW.topic = 'bad' BEGIN SELECT RAISE(ABORT, 'no'); END",
    );
    const resolved: string[] = [];
    mq.on("transaction:resolved", ({ resolution }) => void resolved.push(resolution));
    const { producer, asked } = await startProducer(broker);
    await Promise.all(Array.from({ length: 5 }, () => producer.sendInTransaction({ topic: "orders", body: "a" })));
    const refused: unknown[] = [];

    for (const wait of [100, 100]) {
      const beside = (): void =>
        void producer.send({ topic: "bad", body: "b" }).catch((error: unknown) => refused.push(error));
      clock.at(clock.now() + wait, beside);
      await clock.advance(wait);
    }

    expect([asked.length, resolved.length, refused.length]).toEqual([5, 5, 2]);
    expect(await storedIn(mq, "TRANS_CHECK_MAX_TIME_TOPIC")).toHaveLength(5);
  });

  it("of many groups are asked for in several transactions, a hundred in each", async () => {
    const transaction = { timeoutMs: 100, checkIntervalMs: 100_000 };
    await using broker = await openTestBroker({ defaultQueueCount: 1, transaction });
    const started = await Promise.all(
      Array.from({ length: 30 }, (_, index) => startProducer(broker, {}, {}, { group: `shop-${index}` })),
    );
    for (const { producer } of started)
      await Promise.all(Array.from({ length: 16 }, () => producer.sendInTransaction({ topic: "orders", body: "a" })));

    await broker.clock.advance(200);

    expect(started.map(({ asked }) => asked.length)).toEqual(started.map(() => 16));
    for (const { producer } of started) await producer.close();
  });
});
