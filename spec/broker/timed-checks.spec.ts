import { describe, expect, it } from "vitest";
import { openFaultDriver } from "../support/fault-driver.js";
import { openTestBroker } from "../support/test-broker.js";

/** Half of it is no whole number: nothing is put off in the moment in which it is due. */
const INTERVAL_MS = 4_001;
const TIMEOUT_MS = 1_000;

describe("a check that is not answered for long", () => {
  it("is put off again when the transaction that did so failed, and nobody is asked twice at once", async () => {
    const faults = openFaultDriver();
    await using broker = await openTestBroker({
      database: faults.database,
      transaction: { timeoutMs: TIMEOUT_MS, checkIntervalMs: INTERVAL_MS },
    });
    const { mq, clock } = broker;
    let asked = 0;
    const producer = mq.transactionProducer({
      group: "shop",
      checkLocalTransaction: () => {
        asked += 1;
        return new Promise((resolve) => clock.at(clock.now() + 2 * INTERVAL_MS, () => resolve("commit")));
      },
    });
    await producer.start();
    await producer.beginTransaction().send({ topic: "orders", body: "a" });
    await clock.advance(TIMEOUT_MS);
    faults.fail("UPDATE mq_half SET check_at", "SQLITE_FULL", "rolled back");
    await clock.advance(2_500);
    faults.heal();

    await producer.send({ topic: "orders", body: "another" });
    await clock.advance(INTERVAL_MS);
    const askedMeanwhile = asked;
    await clock.advance(INTERVAL_MS);

    expect([askedMeanwhile, await mq.admin.listHalfMessages()]).toEqual([1, []]);
    await producer.close();
  });
});
