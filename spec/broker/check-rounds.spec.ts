import { describe, expect, it } from "vitest";
import type { Broker } from "../../lib/index.js";
import { tempFolder } from "../support/temp-folder.js";
import { openTestBroker } from "../support/test-broker.js";

const SECOND = 1_000;

async function startProducer(mq: Broker): Promise<ReturnType<Broker["transactionProducer"]>> {
  const producer = mq.transactionProducer({ group: "shop", checkLocalTransaction: () => "unknown" });
  await producer.start();
  return producer;
}

describe("rounds of checks", () => {
  it("come each interval from the opening of the broker, also where the first half message is another's", async () => {
    using folder = tempFolder();
    const [path, profile] = [folder.file("app.db"), "rocketmq"] as const;
    await using sending = await openTestBroker({ path, profile });
    await using other = await openTestBroker({ path, profile });
    const pass = async (seconds: number): Promise<void> => {
      await sending.clock.advance(seconds * SECOND);
      await other.clock.advance(seconds * SECOND);
      await sending.clock.settle();
    };
    const producers = [await startProducer(sending.mq), await startProducer(other.mq)] as const;
    await pass(45);
    // It learns of it a little later.
    await other.clock.advance(5);

    const properties = { CHECK_IMMUNITY_TIME_IN_SECONDS: "3600" };
    await producers[0].beginTransaction().send({ topic: "orders", body: "a", properties });
    const checks: (number | undefined)[] = [];
    for (const seconds of [14, 1, 29, 1]) {
      await pass(seconds);
      checks.push((await sending.mq.admin.listHalfMessages())[0]?.checks);
    }

    expect(checks).toEqual([0, 1, 1, 2]);
    for (const producer of producers) await producer.close();
  });
});
