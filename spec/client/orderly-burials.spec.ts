import { describe, expect, it } from "vitest";
import { OrderlyResult } from "../../lib/index.js";
import { browseQueue } from "../support/shared-connection.js";
import { deferred, type OrderlyRun, openOrderlyRun } from "./orderly-run.js";

const SETTINGS = { maxReconsumeTimes: 0, suspendCurrentQueueTimeMs: 500 };

const onBad = (bodies: string): OrderlyResult => (bodies === "bad" ? OrderlyResult.SUSPEND : undefined);

async function deadLetters({ mq }: OrderlyRun): Promise<readonly string[]> {
  const letters = await browseQueue(mq, "%DLQ%billing").catch(() => []);
  return letters.map((letter) => `${letter.text()} ${letter.reconsumeTimes}`);
}

/** Long enough for what a listener returned to be acted on, and too short for a commit. */
async function microtasks(): Promise<void> {
  for (let count = 0; count < 10; count += 1) await Promise.resolve();
}

describe("the burial of a message that has used up its attempts", () => {
  it("is tried again after the suspend time where it fails; until then the queue waits", async () => {
    await using run = await openOrderlyRun(1);
    const errors: string[] = [];
    run.mq.on("error", ({ message }) => void errors.push(message));
    run.mq.database.exec(
      "CREATE TRIGGER refuse BEFORE INSERT ON mq_sent_back BEGIN SELECT RAISE(ABORT, 'injected'); END",
    );
    await run.send(0, "bad", "good");
    await run.consumer(onBad, SETTINGS).start();
    await run.clock.advance(700);
    const whileItFails = [...run.bodies];

    run.mq.database.exec("DROP TRIGGER refuse");
    await run.clock.advance(500);

    expect(whileItFails).toEqual(["bad", "bad #2"]);
    expect(run.bodies).toEqual(["bad", "bad #2", "bad #3", "good"]);
    expect(await deadLetters(run)).toEqual(["bad 3"]);
    expect(errors).toEqual(Array(2).fill(expect.stringContaining("could not bury messages")));
    expect(await run.offsets()).toEqual([2]);
  });

  it("is tried again also where so many writes are pending that it cannot even be asked for", async () => {
    await using run = await openOrderlyRun(1);
    const held = deferred<OrderlyResult>();
    await run.send(0, "bad", "good");
    await run
      .consumer(() => (run.calls.length === 1 ? held.promise : onBad(run.bodies.at(-1) ?? "")), SETTINGS)
      .start();
    await run.clock.settle();
    const producer = run.mq.producer({ group: "shop" });
    held.resolve(OrderlyResult.SUSPEND);
    for (let count = 0; count < 10_000; count += 1) producer.sendOneway({ topic: "others", body: "x" });
    await run.clock.settle();
    expect(run.bodies).toEqual(["bad"]);

    await run.clock.advance(500);

    expect(run.bodies).toEqual(["bad", "bad #2", "good"]);
  });

  it("that is under way when the queue is lost is withdrawn, and the message comes again as the same attempt", async () => {
    await using run = await openOrderlyRun(1);
    const held = deferred<OrderlyResult>();
    await run.send(0, "bad", "good");
    const a = run.consumer(() => (run.calls.length === 1 ? held.promise : undefined), SETTINGS);
    await a.start();
    await run.clock.settle();
    held.resolve(OrderlyResult.SUSPEND);
    await microtasks();

    a.unsubscribe("orders");
    await run.clock.settle();
    expect(await deadLetters(run)).toEqual([]);
    a.subscribe("orders");
    await run.clock.settle();

    expect(run.bodies).toEqual(["bad", "bad", "good"]);
    expect(await run.offsets()).toEqual([2]);
  });

  it("is waited for by a close", async () => {
    await using run = await openOrderlyRun(1);
    const held = deferred<OrderlyResult>();
    await run.send(0, "bad", "good");
    const a = run.consumer(() => held.promise, SETTINGS);
    await a.start();
    await run.clock.settle();
    run.mq.database.exec("BEGIN");
    held.resolve(OrderlyResult.SUSPEND);
    const closing = a.close({ graceMs: 2 ** 31 - 1 });
    await run.clock.settle();
    run.mq.database.exec("COMMIT");
    await run.clock.advance(1_000);
    await closing;

    expect(await deadLetters(run)).toEqual(["bad 1"]);
    expect(run.bodies).toEqual(["bad"]);
    expect(await run.offsets()).toEqual([1]);
  });

  it("is not begun by a listener that ends when its queue is lost", async () => {
    await using run = await openOrderlyRun(1);
    const held = deferred<OrderlyResult>();
    await run.send(0, "bad", "good");
    const a = run.consumer(() => held.promise, SETTINGS);
    await a.start();
    await run.clock.settle();

    a.unsubscribe("orders");
    held.resolve(OrderlyResult.SUSPEND);
    await run.clock.advance(1_000);

    expect(await deadLetters(run)).toEqual([]);
    expect(await run.offsets()).toEqual([0]);
  });
});
