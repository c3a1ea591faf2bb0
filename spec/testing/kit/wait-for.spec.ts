import { describe, expect, it } from "vitest";
import { openKit } from "./open-kit.js";

describe("waitFor", () => {
  it("resolves with what has happened already, or happens", async () => {
    await using kit = await openKit();
    const { broker } = kit;
    const producer = broker.producer({ group: "p" });
    const awaited = broker.waitFor({ state: "stored", key: "o-2" });
    for (const key of ["o-1", "o-2"]) await producer.send({ topic: "orders", tag: "paid", keys: [key], body: "a" });

    const [future, past] = [await awaited, await broker.waitFor({ state: "stored", topic: "orders", tag: "paid" })];

    expect([future.keys, past.keys]).toEqual([["o-2"], ["o-1"]]);
  });

  it("rejects after its time with what did happen", async () => {
    await using kit = await openKit();
    const { broker } = kit;
    const { messageId } = await broker.producer({ group: "p" }).send({ topic: "orders", keys: ["o-1"], body: "a" });

    const waiting = broker.waitFor({ state: "consumed", group: "billing" }, { timeoutMs: 10 });

    await expect(waiting).rejects.toMatchObject({
      code: "ERR_MQ_TIMEOUT",
      message: `waited 10 ms of real time for state consumed, group billing; what did happen: \n  2026-01-01T00:00:00.000Z stored orders o-1 ${messageId}`,
    });
    await expect(broker.waitFor({ state: "half" }, { timeoutMs: 0 })).rejects.toThrow("waitFor: timeoutMs must be");
  });

  it("resolves with what a transaction has put off once that has committed", async () => {
    await using kit = await openKit();
    const { broker } = kit;
    const producer = broker.producer({ group: "p" });
    const sendOff = (): void => {
      producer.sendSync({ topic: "orders", body: "a", delayMs: 1_000 });
    };
    const ours = broker.waitFor({ state: "stored" });
    broker.transaction(sendOff);
    expect((await ours).state).toBe("stored");
    await broker.reset();

    const owners = broker.waitFor({ state: "stored" }, { timeoutMs: 30 });
    broker.database.exec("BEGIN");
    sendOff();
    broker.database.exec("COMMIT");

    expect((await owners).state).toBe("stored");
  });

  it("rejects when the broker is closed, with what did happen", async () => {
    await using kit = await openKit();
    const { broker } = kit;
    const { messageId } = await broker.producer({ group: "p" }).send({ topic: "orders", body: "a" });
    const waiting = broker.waitFor({ state: "consumed" }).catch((error: unknown) => error);

    await broker.close();

    const error = {
      code: "ERR_MQ_CLOSED",
      message: `the broker was closed, there is no more to wait for: state consumed; what did happen: \n  2026-01-01T00:00:00.000Z stored orders ${messageId}`,
    };
    expect(await waiting).toMatchObject(error);
    await expect(broker.waitFor({ state: "consumed" })).rejects.toMatchObject(error);
    expect((await broker.waitFor({ state: "stored" })).messageId).toBe(messageId);
  });

  it.each([
    [undefined, "waitFor: match must be an object, got undefined"],
    [{}, "waitFor: state must be one of stored, delivered, "],
    [{ state: undefined }, "expired, got undefined"],
    [{ state: "consumd" }, 'expired, got "consumd"'],
    [{ state: "stored", topics: "orders" }, 'waitFor: match has no option "topics"'],
    [{ state: "stored", key: 1 }, "waitFor: key must be a string, got 1"],
  ])("refuses %o", async (match, message) => {
    await using kit = await openKit();
    await kit.broker.producer({ group: "p" }).send({ topic: "orders", body: "a" });

    await expect(kit.broker.waitFor(match as never)).rejects.toMatchObject({
      code: "ERR_MQ_INVALID_ARGUMENT",
      message: expect.stringContaining(message),
    });
  });
});
