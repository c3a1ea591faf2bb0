import { describe, expect, it } from "vitest";
import { ConsumeResult, type MessageView } from "../../../lib/index.js";
import { consume, openKit, outcomes, TOPIC, textOf } from "./open-kit.js";

describe("failSend", () => {
  it.each([
    [1, "ERR_MQ_STORE 1"],
    [2, "ERR_MQ_SYSTEM_BUSY 2"],
    [13, "ERR_MQ_MESSAGE_ILLEGAL 13"],
    [14, "ERR_MQ_SERVICE_NOT_AVAILABLE 14"],
    [16, "ERR_MQ_NO_PERMISSION 16"],
    [17, "ERR_MQ_TOPIC_NOT_FOUND 17"],
    [215, "ERR_MQ_TOO_MANY_REQUESTS 215"],
  ])("refuses sends with response code %i, and stores nothing", async (responseCode, outcome) => {
    await using kit = await openKit();
    const { broker } = kit;
    const producer = broker.producer({ group: "p" });
    const undo = broker.faults.failSend({ responseCode });

    const refused = await outcomes(["a", "b"].map((body) => producer.send({ topic: TOPIC, body })));
    expect(() => producer.sendSync({ topic: TOPIC, body: "c" })).toThrow(
      expect.objectContaining({ responseCode }) as Error,
    );
    undo();

    expect(refused).toEqual([outcome, outcome]);
    expect(await outcomes([producer.send({ topic: TOPIC, body: "d" })])).toEqual(["SEND_OK"]);
    expect(broker.sent().map(textOf)).toEqual(["d"]);
  });

  it("refuses the nth, or so many from there, of a topic alone if told so", async () => {
    await using kit = await openKit();
    const { broker } = kit;
    const producer = broker.producer({ group: "p" });
    broker.faults.failSend({ responseCode: 14, nth: 2, topic: TOPIC });
    broker.faults.failSend({ responseCode: 2, nth: 4, times: 2 });
    broker.faults.failSend({ responseCode: 1, times: 1, topic: "refunds" });

    const got = await outcomes(
      [TOPIC, "refunds", TOPIC, TOPIC, TOPIC, TOPIC].map((topic) => producer.send({ topic, body: "a" })),
    );

    expect(got).toEqual([
      "SEND_OK",
      "ERR_MQ_STORE 1",
      "ERR_MQ_SERVICE_NOT_AVAILABLE 14",
      "ERR_MQ_SYSTEM_BUSY 2",
      "ERR_MQ_SYSTEM_BUSY 2",
      "SEND_OK",
    ]);
  });

  it.each([
    [{ responseCode: 3 }, "failSend: responseCode must be one of 1, 2, 13, 14, 16, 17, 215, got 3"],
    [{ responseCode: 14, nth: 0 }, "failSend: nth must be an integer from 1"],
    [{ responseCode: 14, times: 0.5 }, "failSend: times must be an integer from 1"],
    [{ responseCode: 14, topic: 1 }, "failSend: topic must be a string, got 1"],
    [{ responseCode: 14, after: 1 }, 'failSend has no option "after"'],
  ])("refuses %o", async (options, message) => {
    await using kit = await openKit();

    expect(() => kit.broker.faults.failSend(options as never)).toThrow(message);
  });
});

describe("slowSend", () => {
  it("keeps sends on their way for so long, in their order", async () => {
    await using kit = await openKit();
    const { broker } = kit;
    const producer = broker.producer({ group: "p" });
    const undo = broker.faults.slowSend({ byMs: 1_000 });
    const slow = ["a", "b"].map((body) => producer.send({ topic: TOPIC, body }, { queue: 0 }));
    undo();
    const behind = producer.send({ topic: TOPIC, body: "c" }, { queue: 0 });

    await broker.clock.advance("999ms");
    const before = broker.sent().length;
    await broker.clock.advance("1ms");
    await Promise.all([...slow, behind]);

    expect(before).toBe(0);
    expect(broker.sent().map((message) => `${message.text()} ${message.queueOffset}`)).toEqual(["a 0", "b 1", "c 2"]);
  });

  it("fails what does not arrive before its time-out, which is never stored", async () => {
    await using kit = await openKit();
    const { broker } = kit;
    const producer = broker.producer({ group: "p", sendTimeoutMs: 500 });
    broker.faults.slowSend({ byMs: 400, topic: TOPIC });
    broker.faults.slowSend({ byMs: 400 });
    const sends = [TOPIC, "refunds"].map((topic) => producer.send({ topic, body: "a" }));
    const settled = outcomes(sends);

    await broker.clock.advance("1h");

    // The second one waits for the first to be out of its way.
    expect(await settled).toEqual(["ERR_MQ_TIMEOUT 10002", "ERR_MQ_TIMEOUT 10002"]);
    expect(broker.history).toEqual([]);
  });

  it.each([-3_600_000, 3_600_000])("takes as long as it does, though the clock is set by %i ms", async (byMs) => {
    await using kit = await openKit();
    const { broker } = kit;
    const producer = broker.producer({ group: "p", sendTimeoutMs: 3_000 });
    broker.faults.slowSend({ byMs: 5_000, topic: "refunds" });
    broker.faults.slowSend({ byMs: 1_000, topic: TOPIC });
    const onItsWay = producer.send({ topic: TOPIC, body: "a" });
    broker.faults.jumpClock(byMs);
    const tooSlow = producer.send({ topic: "refunds", body: "b" });
    const settled = outcomes([onItsWay, tooSlow]);

    await broker.clock.advance("1s");
    expect(broker.sent().map(textOf)).toEqual(["a"]);
    await broker.clock.advance("1m");
    expect(await settled).toEqual(["SEND_OK", "ERR_MQ_TIMEOUT 10002"]);
  });

  it("lets an abort take a send back that is on its way", async () => {
    await using kit = await openKit();
    const { broker } = kit;
    broker.faults.slowSend({ byMs: 400 });
    const controller = new AbortController();
    const send = broker.producer({ group: "p" }).send({ topic: TOPIC, body: "a" }, { signal: controller.signal });
    controller.abort(new Error("changed my mind"));

    await expect(send).rejects.toThrow("changed my mind");
    await broker.clock.advance("1m");
    expect(broker.history).toEqual([]);
  });

  it.each([
    [{}, "slowSend: byMs must be whole milliseconds from 0 on, got undefined"],
    [{ byMs: "1s" }, 'slowSend: byMs must be whole milliseconds from 0 on, got "1s"'],
    [undefined, "slowSend must be an object, got undefined"],
  ])("refuses %o", async (options, message) => {
    await using kit = await openKit();

    expect(() => kit.broker.faults.slowSend(options as never)).toThrow(message);
  });

  it("does not hold up time for a listener that sends", async () => {
    await using kit = await openKit();
    const { broker } = kit;
    const producer = broker.producer({ group: "p" });
    await consume(broker, { listener: async () => void (await producer.send({ topic: "done", body: "b" })) });
    await producer.send({ topic: TOPIC, body: "a" });
    broker.faults.slowSend({ byMs: 2_000 });
    await broker.reset();
    await consume(broker, { listener: async () => void (await producer.send({ topic: "done", body: "b" })) });
    await producer.send({ topic: TOPIC, body: "a" });
    broker.faults.slowSend({ byMs: 2_000, topic: "done" });

    await broker.clock.advance("2s");

    expect(broker.consumed("billing").map(textOf)).toEqual(["a"]);
  });
});

describe("fillDisk", () => {
  it("refuses sends with RocketMQ's remark while the rest goes on, and tells of it", async () => {
    await using kit = await openKit();
    const { broker } = kit;
    const events: string[] = [];
    for (const event of ["disk:full", "disk:recovered"] as const) broker.on(event, () => void events.push(event));
    const producer = broker.producer({ group: "p" });
    await producer.send({ topic: TOPIC, body: "a" });
    const undo = [broker.faults.fillDisk(), broker.faults.fillDisk()];
    const refused = expect(producer.send({ topic: TOPIC, body: "b" })).rejects.toMatchObject({
      code: "ERR_MQ_SERVICE_NOT_AVAILABLE",
      responseCode: 14,
      message: expect.stringMatching(
        /^service not available now\. It may be .* the broker's disk is full \[CL: {2}1\.00 /,
      ),
    });
    const listener = (message: MessageView): ConsumeResult =>
      message.deliveryAttempt === 1 ? ConsumeResult.RETRY : ConsumeResult.SUCCESS;
    await consume(broker, { listener, consumeFromWhere: "first-offset" });

    await refused;
    await broker.clock.advance("10s");
    expect(broker.consumed("billing").map(textOf)).toEqual(["a"]);
    undo[0]?.();
    await broker.runUntilIdle();
    const during = [...events];
    await broker.reset();
    await broker.runUntilIdle();
    expect([during, events]).toEqual([["disk:full"], ["disk:full", "disk:recovered"]]);
    expect((await producer.send({ topic: TOPIC, body: "c" })).status).toBe("SEND_OK");
  });
});
