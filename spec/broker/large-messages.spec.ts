import { describe, expect, it } from "vitest";
import type { Broker } from "../../lib/index.js";
import { openFaultDriver } from "../support/fault-driver.js";
import { openTestBroker } from "../support/test-broker.js";

const MIB = 1024 * 1024;
const QUEUES = 3;

/** Messages of 1 MiB, each in a block of its own, in turn in each of the queues of "orders". */
async function sendLarge(mq: Broker, count: number): Promise<void> {
  const producer = mq.producer({ group: "shop" });
  const body = Buffer.alloc(MIB, "x");
  for (let index = 0; index < count; index += 1) {
    await producer.send({ topic: "orders", body }, { queue: index % QUEUES });
  }
}

/** How many bytes of records a query returned. */
function recordBytes(rows: readonly unknown[]): number {
  return rows
    .flat()
    .filter((value) => Buffer.isBuffer(value))
    .reduce((bytes, { length }) => bytes + length, 0);
}

describe("large messages", () => {
  it("are read from the store once each by a group that consumes several queues of them", async () => {
    const driver = openFaultDriver();
    await using broker = await openTestBroker({ database: driver.database, defaultQueueCount: QUEUES });
    const { mq, clock } = broker;
    await sendLarge(mq, 24);
    let [got, bytes] = [0, 0];
    driver.onRead = (_source, rows) => {
      bytes += recordBytes(rows);
    };

    const listener = (): void => {
      got += 1;
    };
    await mq.pushConsumer({ group: "billing", subscriptions: { orders: "*" }, listener }).start();
    await clock.settle();
    driver.onRead = undefined;

    expect(got).toBe(24);
    expect(bytes).toBeLessThan(25 * MIB);
  });

  it("come to a person who looks at a queue in pages of 16 MiB, each beginning where he asks", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: QUEUES });
    const { mq } = broker;
    await sendLarge(mq, 20 * QUEUES);
    const queue = { topic: "orders", brokerName: "broker-a", queueId: 0 };

    const pages: (readonly number[])[] = [];
    for (let from = 0; from < 20; from += pages.at(-1)?.length ?? 20) {
      pages.push((await mq.admin.browse(queue, from, 1_024)).map(({ queueOffset }) => queueOffset));
    }

    expect(pages.map(({ length }) => length)).toEqual([15, 5]);
    expect(pages.flat()).toEqual(Array.from({ length: 20 }, (_, offset) => offset));
  });
});
