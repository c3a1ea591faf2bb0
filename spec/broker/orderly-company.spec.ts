import { describe, expect, it } from "vitest";
import type { PushConsumer } from "../../lib/index.js";
import { deferred } from "../client/orderly-run.js";
import { browseQueue } from "../support/shared-connection.js";
import { type Engine, type Engines, GROUP, openEngines, queueIdsOf, TOPIC } from "./engines.js";

interface Busy {
  readonly a: Engine;
  readonly ofA: PushConsumer;
  readonly b: Engine;
  readonly held: ReturnType<typeof deferred<"success" | "suspend">>;
}

/** Two engines on a topic of one queue. A listener of the first has the message "held" in hand; a member whose name comes before gets the queue. */
async function openBusy(engines: Engines): Promise<Busy> {
  const [a, b] = [await engines.open({ defaultQueueCount: 1 }), await engines.open({ defaultQueueCount: 1 })];
  await a.test.mq.admin.createTopic(TOPIC);
  const held = deferred<"success" | "suspend">();
  const settings = { instanceName: "2", maxReconsumeTimes: 0 };
  const ofA = await a.consumeOrderly(settings, (message) => (message.text() === "held" ? held.promise : "success"));
  for (const body of ["done", "held", "after"]) await a.send(body, 0);
  await engines.advance(100);
  expect(a.received).toEqual(["done", "held"]);
  return { a, ofA, b, held };
}

async function offsetIn({ test }: Engine): Promise<number | undefined> {
  return (await test.mq.admin.consumeStats(GROUP, TOPIC)).queues[0]?.consumerOffset;
}

describe("orderly members in several processes", () => {
  it("give a queue away when the listener that works on it has ended, not before", async () => {
    await using engines = await openEngines();
    const { a, b, held } = await openBusy(engines);
    const ofB = await b.consumeOrderly({ instanceName: "1" });
    await engines.advance(5_000);
    expect([queueIdsOf(ofB), b.received]).toEqual([[], []]);

    held.resolve("success");
    await engines.settle();

    expect([queueIdsOf(ofB), b.received]).toEqual([[0], ["held", "after"]]);
    expect(a.received).toEqual(["done", "held"]);
    await engines.advance(100);
    expect(await offsetIn(b)).toBe(3);
  });

  it("give it away after 60 s at the latest", async () => {
    await using engines = await openEngines();
    const { a, b } = await openBusy(engines);
    await a.clock.advance(100_000);
    const ofB = await b.consumeOrderly({ instanceName: "1" });

    await engines.advance(61_000);

    expect([queueIdsOf(ofB), b.received]).toEqual([[0], ["held", "after"]]);
    expect(a.received).toEqual(["done", "held"]);
  });

  it("keep it until then also when the member has closed meanwhile", async () => {
    await using engines = await openEngines();
    const { ofA, b, held } = await openBusy(engines);
    await b.consumeOrderly({ instanceName: "1" });
    await ofA.close({ graceMs: 0 });
    await engines.advance(30_000);
    expect(b.received).toEqual([]);

    held.resolve("success");
    await engines.settle();

    expect(b.received).toEqual(["held", "after"]);
  });

  it("fence off what an old owner says late: it neither moves the offset nor buries the message", async () => {
    await using engines = await openEngines();
    const { a, b, held } = await openBusy(engines);
    const blocked = deferred<"success">();
    a.clock.stall();
    const ofB = await b.consumeOrderly({ instanceName: "1" }, (message) =>
      message.text() === "held" ? blocked.promise : "success",
    );
    await engines.advance(11_000);
    expect([queueIdsOf(ofB), b.received]).toEqual([[0], ["held"]]);

    a.clock.resume();
    held.resolve("suspend");
    await engines.advance(1_000);

    expect(await browseQueue(b.test.mq, `%DLQ%${GROUP}`).catch(() => [])).toEqual([]);
    expect(await offsetIn(b)).toBe(1);
    blocked.resolve("success");
    await engines.advance(1_000);
    expect(await offsetIn(b)).toBe(3);
    expect(a.received).toEqual(["done", "held"]);
  });

  it("take over at once from one that is gone", async () => {
    await using engines = await openEngines();
    const { a, b } = await openBusy(engines);
    const ofB = await b.consumeOrderly({ instanceName: "1" });
    await engines.settle();

    await a.close();
    await engines.settle();

    expect([queueIdsOf(ofB), b.received]).toEqual([[0], ["held", "after"]]);
  });
});
