import { describe, expect, it } from "vitest";
import type { Broker, EmbeddedTransactionProducer, TransactionResolution } from "../../lib/index.js";
import { MachineClock } from "../support/machine-clock.js";
import { storedIn } from "../support/shared-connection.js";
import { tempFolder } from "../support/temp-folder.js";
import { openTestBroker } from "../support/test-broker.js";

const [SECOND, HOUR] = [1_000, 3_600_000];
/** Found out within a second, and asked for when its time is over, or in the round after that. */
const ASKED_MS = { embedded: 7 * SECOND, rocketmq: 61 * SECOND } as const;
const PROFILES = ["embedded", "rocketmq"] as const;

/** Tells of each check, and how it is answered. */
async function startProducer(
  mq: Broker,
  check: () => TransactionResolution | Promise<TransactionResolution>,
): Promise<EmbeddedTransactionProducer> {
  const producer = mq.transactionProducer({
    group: "shop",
    checkLocalTransaction: check,
  }) as EmbeddedTransactionProducer;
  await producer.start();
  return producer;
}

describe.each(PROFILES)("when the clock is set back by an hour (%s)", (profile) => {
  it("a half message is asked for as soon as if it were new", async () => {
    const clock = new MachineClock();
    await using broker = await openTestBroker({ clock, profile, defaultQueueCount: 1 });
    const producer = await startProducer(broker.mq, () => "commit");
    await producer.beginTransaction().send({ topic: "orders", body: "a" });
    await clock.advance(5 * SECOND);

    clock.setTime(clock.now() - HOUR);
    await clock.advance(ASKED_MS[profile]);

    expect(await storedIn(broker.mq, "orders")).toEqual(["0 a"]);
    await producer.close();
  });

  it("while no broker is there, it is so too", async () => {
    using folder = tempFolder();
    const place = { path: folder.file("app.db"), profile, defaultQueueCount: 1 };
    const clock = new MachineClock();
    await using first = await openTestBroker({ ...place, clock });
    const before = await startProducer(first.mq, () => "unknown");
    await before.beginTransaction().send({ topic: "orders", body: "a" });
    await first.mq.close();
    clock.setTime(clock.now() - HOUR);

    await using broker = await openTestBroker({ ...place, clock });
    const producer = await startProducer(broker.mq, () => "commit");
    await clock.advance(ASKED_MS[profile]);

    expect(await storedIn(broker.mq, "orders")).toEqual(["0 a"]);
    await producer.close();
  });

  it("nobody is asked again for one who has not answered yet", async () => {
    const clock = new MachineClock();
    await using broker = await openTestBroker({ clock, profile, defaultQueueCount: 1 });
    let asked = 0;
    let answer: (end: TransactionResolution) => void = () => undefined;
    const producer = await startProducer(broker.mq, () => {
      asked += 1;
      return new Promise((resolve) => {
        answer = resolve;
      });
    });
    await producer.beginTransaction().send({ topic: "orders", body: "a" });
    await clock.advance(61 * SECOND);

    clock.setTime(clock.now() - HOUR);
    await clock.advance(200 * SECOND);
    const askedMeanwhile = asked;
    answer("commit");
    await clock.settle();

    expect([askedMeanwhile, await storedIn(broker.mq, "orders")]).toEqual([1, ["0 a"]]);
    await producer.close();
  });
});
