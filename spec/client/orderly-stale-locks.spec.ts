import { describe, expect, it } from "vitest";
import { allocateAll } from "../../lib/client/allocate-message-queue.js";
import type { PushConsumer } from "../../lib/index.js";
import { openEngines, TOPIC } from "../broker/engines.js";
import { storedIn } from "../support/shared-connection.js";
import { deferred, type OrderlyRun, openOrderlyRun } from "./orderly-run.js";

/** Longer than a lock lasts: the clock is set forth, and no timer has run since. */
const FORTH_MS = 61_000;

interface Overtaken {
  readonly run: OrderlyRun;
  readonly a: PushConsumer;
  readonly held: ReturnType<typeof deferred<"suspend" | undefined>>;
}

/** Both members want the only queue. The listener of "a" is at m0 when its lock runs out; "b" has consumed m0 and m1 since. */
async function overtaken(maxReconsumeTimes?: number): Promise<Overtaken> {
  const run = await openOrderlyRun(1);
  const held = deferred<"suspend" | undefined>();
  const answer = (): Promise<"suspend" | undefined> | undefined => (run.calls.length === 1 ? held.promise : undefined);
  const settings = { allocateMessageQueueStrategy: allocateAll, maxReconsumeTimes };
  await run.send(0, "m0", "m1");
  const a = run.consumer(answer, { ...settings, instanceName: "a" });
  await a.start();
  await run.clock.settle();
  run.clock.setTime(run.clock.now() + FORTH_MS);
  await run.consumer(answer, { ...settings, instanceName: "b" }).start();
  await run.clock.settle();
  expect(run.calls.map(({ member, bodies }) => `${member} ${bodies}`)).toEqual(["a m0", "b m0", "b m1"]);
  return { run, a, held };
}

describe("the lock of a queue, when the clock is set forth by more than it lasts", () => {
  it("keeps the queue from its new owner while a listener is at it", async () => {
    await using run = await openOrderlyRun(1);
    const held = deferred();
    await run.send(0, "held", "after");
    const answer = (): Promise<undefined> | undefined => (run.calls.length === 1 ? held.promise : undefined);
    // Whose queue it is when "a" has joined.
    await run.consumer(answer, { instanceName: "b" }).start();
    await run.clock.settle();
    run.clock.setTime(run.clock.now() + FORTH_MS);

    await run.consumer(answer, { instanceName: "a" }).start();
    await run.clock.settle();
    const before = run.calls.length;
    held.resolve(undefined);
    await run.clock.settle();

    expect(before).toBe(1);
    expect(run.calls.map(({ member, bodies }) => `${member} ${bodies}`)).toEqual(["b held", "a held", "a after"]);
  });

  it("is not there for a late result: it does not count", async () => {
    const { run, held } = await overtaken();
    await using _ = run;

    held.resolve(undefined);
    await run.clock.advance(100);

    expect(await run.offsets()).toEqual([2]);
    expect(run.calls).toHaveLength(3);
  });

  it("is not there for a late failure: what another member consumed is not buried", async () => {
    const { run, held } = await overtaken(0);
    await using _ = run;

    held.resolve("suspend");
    await run.clock.advance(100);

    expect(await run.offsets()).toEqual([2]);
    await expect(storedIn(run.mq, "%DLQ%billing")).rejects.toMatchObject({ code: "ERR_MQ_TOPIC_NOT_FOUND" });
  });

  it("is not there for what the old owner says when it is renewed, or closes", async () => {
    for (const how of ["renewed", "closed"]) {
      const { run, a, held } = await overtaken();
      await using _ = run;

      if (how === "renewed") await run.clock.advance(0);
      else await a.close({ graceMs: 0 });
      await run.clock.advance(100);

      expect([how, await run.offsets()]).toEqual([how, [2]]);
      held.resolve(undefined);
    }
  });
});

describe("the lock of a queue, when the clock is set back", () => {
  it("runs out for another process 60 s after that has committed something", async () => {
    await using engines = await openEngines();
    const [a, b] = [await engines.open({ defaultQueueCount: 1 }), await engines.open({ defaultQueueCount: 1 })];
    await a.test.mq.admin.createTopic(TOPIC);
    const held = deferred<"success">();
    await a.consumeOrderly({ instanceName: "2" }, () => held.promise);
    await a.send("held", 0);
    await engines.advance(100);
    await b.consumeOrderly({ instanceName: "1" });
    await engines.advance(1_000);

    for (const { clock } of [a, b]) clock.setTime(clock.now() - 600_000);
    await b.test.mq.admin.createGroup("another");
    await engines.advance(50_000);
    const before = [...b.received];
    await engines.advance(20_000);
    held.resolve("success");

    expect([before, b.received]).toEqual([[], ["held"]]);
  });
});
