import { describe, expect, it } from "vitest";
import { OrderlyResult } from "../../lib/index.js";
import { browseQueue } from "../support/shared-connection.js";
import { deferred, openOrderlyRun } from "./orderly-run.js";

describe("an orderly consumer", () => {
  it("gets the messages of a queue one at a time in their order, while other queues go on", async () => {
    await using run = await openOrderlyRun(2);
    const first = deferred();
    await run.send(0, "a0", "a1", "a2");
    await run.send(1, "b0", "b1", "b2");
    await run.consumer((bodies) => (bodies === "a0" ? first.promise : undefined)).start();
    await run.clock.settle();

    expect(run.bodies).toEqual(["a0", "b0", "b1", "b2"]);
    first.resolve(undefined);
    await run.clock.settle();

    expect(run.bodies).toEqual(["a0", "b0", "b1", "b2", "a1", "a2"]);
    expect(await run.offsets()).toEqual([3, 3]);
  });

  it("gets what is sent while it waits, in order", async () => {
    await using run = await openOrderlyRun(1);
    await run.consumer().start();

    for (let index = 0; index < 5; index += 1) await run.send(0, `m${index}`);
    await run.clock.settle();

    expect(run.bodies).toEqual(["m0", "m1", "m2", "m3", "m4"]);
  });

  it("waits with a queue for the message that failed, as long as that fails, and with no other queue", async () => {
    await using run = await openOrderlyRun(2);
    await run.send(0, "bad", "after");
    await run.send(1, "b0");
    await run
      .consumer((bodies, _context, [message]) => {
        if (bodies === "bad" && (message?.deliveryAttempt ?? 0) <= 20) throw new Error("not yet");
        return undefined;
      })
      .start();

    await run.clock.advance(19_500);
    expect(run.bodies.filter((body) => !body.startsWith("bad"))).toEqual(["b0"]);
    await run.clock.advance(1_000);

    expect(run.bodies.slice(-2)).toEqual(["bad #21", "after"]);
    expect(await run.offsets()).toEqual([2, 1]);
  });

  it("runs at most consumeConcurrency listeners, and no queue is forgotten", async () => {
    await using run = await openOrderlyRun(8);
    let [running, most] = [0, 0];
    for (let queue = 0; queue < 8; queue += 1) await run.send(queue, `${queue}-0`, `${queue}-1`);
    const listener = async (): Promise<undefined> => {
      running += 1;
      most = Math.max(most, running);
      await Promise.resolve();
      running -= 1;
    };
    await run.consumer(listener, { consumeConcurrency: 3 }).start();
    await run.clock.settle();

    expect(most).toBe(3);
    expect(run.calls).toHaveLength(16);
    expect(await run.offsets()).toEqual(Array(8).fill(2));
  });

  it.each([
    [1, 10],
    [0, 10],
    [-5, 10],
    [10, 10],
    [12_345, 12_345],
    [30_000, 30_000],
    [3_600_000, 30_000],
    [-1, 700],
    [Number.NaN, 700],
    ["5", 700],
    [undefined, 700],
  ])("waits for context.suspendCurrentQueueTimeMs = %s as %i ms, where its own is 700", async (asked, expected) => {
    await using run = await openOrderlyRun(1);
    await run.send(0, "m");
    await run
      .consumer(
        (_bodies, context) => {
          expect(context.suspendCurrentQueueTimeMs).toBe(700);
          context.suspendCurrentQueueTimeMs = asked as number;
          return run.calls.length === 1 ? OrderlyResult.SUSPEND : undefined;
        },
        { suspendCurrentQueueTimeMs: 700 },
      )
      .start();
    await run.clock.advance(40_000);

    expect(run.calls).toHaveLength(2);
    expect((run.calls[1]?.at ?? 0) - (run.calls[0]?.at ?? 0)).toBe(expected);
    const complaints = run.logged.filter(({ level }) => level === "error");
    expect(complaints).toHaveLength(typeof asked === "number" && !Number.isNaN(asked) ? 0 : 1);
  });

  it.each([[10], [60_000]])(
    "clamps its own suspend time of %i ms as RocketMQ does",
    async (suspendCurrentQueueTimeMs) => {
      await using run = await openOrderlyRun(1);
      await run.send(0, "m");
      const settings = { suspendCurrentQueueTimeMs };
      await run.consumer(() => (run.calls.length === 1 ? OrderlyResult.SUSPEND : undefined), settings).start();
      await run.clock.advance(60_000);

      const waited = (run.calls[1]?.at ?? 0) - (run.calls[0]?.at ?? 0);
      expect(waited).toBe(Math.min(suspendCurrentQueueTimeMs, 30_000));
    },
  );

  it("suspends at a result that is none, with a line that says so", async () => {
    await using run = await openOrderlyRun(1);
    await run.send(0, "m");
    await run.consumer(() => (run.calls.length === 1 ? ("retry" as never) : undefined)).start();
    await run.clock.advance(1_000);

    expect(run.bodies).toEqual(["m", "m #2"]);
    expect(run.logged.find(({ level }) => level === "error")?.text).toContain('none of "success", "suspend"');
  });

  it("retries without end by default, and says so to those who listen", async () => {
    await using run = await openOrderlyRun(1);
    const retried: number[] = [];
    run.mq.on("message:retried", ({ deliveryAttempt, dueAt }) => {
      expect(dueAt).toBe(run.clock.now() + 10);
      retried.push(deliveryAttempt);
    });
    await run.send(0, "m");
    await run.consumer(() => OrderlyResult.SUSPEND, { suspendCurrentQueueTimeMs: 10 }).start();
    await run.clock.advance(1_000);

    expect(run.calls).toHaveLength(101);
    expect(retried).toEqual(Array.from({ length: 101 }, (_, index) => index + 1));
    expect(await run.offsets()).toEqual([0]);
  });

  it("buries a message after maxReconsumeTimes retries and goes on with the next", async () => {
    await using run = await openOrderlyRun(1);
    const [dead, consumed]: [unknown[], string[]] = [[], []];
    run.mq.on("message:deadLettered", (event) => void dead.push(event));
    run.mq.on("message:consumed", ({ messageId }) => void consumed.push(messageId));
    await run.send(0, "bad", "good");
    const answer = (bodies: string): OrderlyResult => (bodies === "bad" ? OrderlyResult.SUSPEND : undefined);
    await run.consumer(answer, { maxReconsumeTimes: 3 }).start();
    await run.clock.advance(5_000);

    expect(run.bodies).toEqual(["bad", "bad #2", "bad #3", "bad #4", "good"]);
    const [letter] = await browseQueue(run.mq, "%DLQ%billing");
    expect(letter?.text()).toBe("bad");
    expect(letter?.reconsumeTimes).toBe(4);
    expect(letter?.systemProperties).toMatchObject({ RETRY_TOPIC: "orders", ORIGIN_MESSAGE_ID: letter?.messageId });
    expect(letter?.systemProperties).not.toHaveProperty("DELAY");
    expect(dead).toEqual([{ messageId: letter?.messageId, topic: "orders", group: "billing", deliveryAttempt: 4 }]);
    expect(consumed).toHaveLength(1);
    expect(await run.offsets()).toEqual([2]);
  });

  it("buries at the first failure with maxReconsumeTimes 0", async () => {
    await using run = await openOrderlyRun(1);
    await run.send(0, "bad", "good");
    const answer = (bodies: string): OrderlyResult => (bodies === "bad" ? OrderlyResult.SUSPEND : undefined);
    await run.consumer(answer, { maxReconsumeTimes: 0 }).start();
    await run.clock.settle();

    expect(run.bodies).toEqual(["bad", "good"]);
    expect(await browseQueue(run.mq, "%DLQ%billing")).toHaveLength(1);
  });

  it("buries each message of a batch once, whenever its attempts are used up, and the others of the batch wait", async () => {
    await using run = await openOrderlyRun(1);
    const settings = { maxReconsumeTimes: 1, consumeMessageBatchMaxSize: 3, suspendCurrentQueueTimeMs: 100 };
    await run.consumer(() => OrderlyResult.SUSPEND, settings).start();
    await run.send(0, "a", "b");
    await run.clock.settle();
    await run.send(0, "c");

    await run.clock.advance(1_000);

    expect(run.bodies).toEqual(["a,b", "a,b,c #2", "c #2"]);
    const letters = await browseQueue(run.mq, "%DLQ%billing");
    expect(letters.map((letter) => letter.text())).toEqual(["a", "b", "c"]);
    expect(await run.offsets()).toEqual([3]);
  });

  it("hands out another view at each attempt", async () => {
    await using run = await openOrderlyRun(1);
    const views: { readonly deliveryAttempt: number; readonly body: Buffer }[] = [];
    await run.send(0, "m");
    await run
      .consumer((_bodies, _context, [message]) => {
        if (message !== undefined) views.push(message);
        message?.body.fill(0);
        return run.calls.length === 1 ? OrderlyResult.SUSPEND : undefined;
      })
      .start();
    await run.clock.advance(1_000);

    expect(views.map(({ deliveryAttempt }) => deliveryAttempt)).toEqual([1, 2]);
    expect(run.bodies).toEqual(["m", "m #2"]);
  });

  it("aborts the signal of a listener that runs for longer than consumeTimeoutMs, and waits for its result, which counts", async () => {
    await using run = await openOrderlyRun(1);
    const first = deferred();
    let signal: AbortSignal | undefined;
    await run.send(0, "slow", "next");
    await run
      .consumer(
        (bodies, context) => {
          if (bodies !== "slow") return undefined;
          signal = context.signal;
          return first.promise;
        },
        { consumeTimeoutMs: 5_000 },
      )
      .start();
    await run.clock.advance(3_600_000);

    expect(signal?.aborted).toBe(true);
    expect(run.bodies).toEqual(["slow"]);
    first.resolve(undefined);
    await run.clock.settle();

    expect(run.bodies).toEqual(["slow", "next"]);
    expect(await run.offsets()).toEqual([2]);
  });

  it("gets nothing more once it closes, whatever it has pulled", async () => {
    await using run = await openOrderlyRun(2);
    const held = deferred();
    await run.send(0, "held", "after");
    await run.send(1, "other");
    const consumer = run.consumer(() => held.promise, { consumeConcurrency: 1 });
    await consumer.start();
    await run.clock.settle();
    const closing = consumer.close();
    await run.clock.settle();
    held.resolve(undefined);
    await closing;

    expect(run.bodies).toEqual(["held"]);
    expect(await run.offsets()).toEqual([1, 0]);
  });

  it("gets nothing of a queue that was lost while all its listeners were busy", async () => {
    await using run = await openOrderlyRun(2);
    const held = deferred();
    await run.send(0, "held", "after");
    await run.send(1, "other");
    const consumer = run.consumer(() => held.promise, { consumeConcurrency: 1 });
    await consumer.start();
    await run.clock.settle();
    consumer.unsubscribe("orders");
    held.resolve(undefined);
    await run.clock.settle();

    expect(run.bodies).toEqual(["held"]);
  });

  it("leaves no timer of a queue that was suspended when it was lost", async () => {
    await using run = await openOrderlyRun(1);
    await run.send(0, "m");
    const consumer = run.consumer(() => OrderlyResult.SUSPEND, { suspendCurrentQueueTimeMs: 30_000 });
    await consumer.start();
    await run.clock.settle();
    consumer.unsubscribe("orders");
    await run.clock.advance(100);
    await consumer.close();
    // That after which offsets are stored.
    await run.clock.advance(100);

    expect(run.clock.pendingTimers).toBe(0);
  });

  it("pulls nothing more while as many messages as the threshold are not committed", async () => {
    await using run = await openOrderlyRun(1);
    await run.send(0, ...Array.from({ length: 200 }, (_, index) => `${index}`));
    const settings = { pullThresholdForQueue: 50, pullBatchSize: 10 };
    await run
      .consumer((_bodies, context) => {
        context.autoCommit = false;
        return run.calls.length === 60 ? OrderlyResult.COMMIT : undefined;
      }, settings)
      .start();
    await run.clock.advance(1_000);

    // More than the threshold stops it: up to one batch beyond.
    expect(run.calls.length).toBeGreaterThanOrEqual(60);
    expect(run.calls.length).toBeLessThanOrEqual(60 + 61);
    expect(await run.offsets()).toEqual([60]);
  });

  it("consumes in order by itself in a broadcasting group: each member gets everything, a failure waits", async () => {
    await using run = await openOrderlyRun(1);
    const settings = { messageModel: "broadcasting", consumeFromWhere: "first-offset" } as const;
    await run.send(0, "m0", "m1");
    const answer = (bodies: string): OrderlyResult =>
      bodies === "m0" && run.calls.length === 1 ? OrderlyResult.SUSPEND : undefined;
    await run.consumer(answer, { ...settings, instanceName: "a" }).start();
    await run.consumer(undefined, { ...settings, instanceName: "b" }).start();
    await run.clock.advance(1_000);

    const ofMember = (name: string): string[] =>
      run.calls.filter(({ member }) => member === name).map(({ bodies }) => bodies);
    expect(ofMember("a")).toEqual(["m0", "m0", "m1"]);
    expect(ofMember("b")).toEqual(["m0", "m1"]);
  });

  it("buries in a broadcasting group what has used up its attempts, once for each member that failed", async () => {
    await using run = await openOrderlyRun(1);
    const settings = { messageModel: "broadcasting", consumeFromWhere: "first-offset", maxReconsumeTimes: 0 } as const;
    await run.send(0, "m0", "m1");
    const answer = (bodies: string): OrderlyResult => (bodies === "m0" ? OrderlyResult.SUSPEND : undefined);
    for (const instanceName of ["a", "b"]) await run.consumer(answer, { ...settings, instanceName }).start();
    await run.clock.advance(1_000);

    expect(await browseQueue(run.mq, "%DLQ%billing")).toHaveLength(2);
    expect(run.bodies.filter((bodies) => bodies === "m1")).toHaveLength(2);
  });
});
