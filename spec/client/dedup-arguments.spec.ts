import { describe, expect, it } from "vitest";
import { type Broker, exactlyOnce, idempotent, type MessageListener, type MessageView } from "../../lib/index.js";
import { thrown } from "../support/thrown.js";
import { openShop } from "./dedup-shop.js";

type Options = Parameters<typeof idempotent>[1];
type Make = (broker: unknown, options: unknown, run: unknown) => MessageListener;

const nothing = (): undefined => undefined;

describe.each<[string, Make]>([
  ["exactlyOnce", (broker, options, run) => exactlyOnce(broker as Broker, options as Options, run as () => undefined)],
  ["idempotent", (broker, options, run) => idempotent(broker as Broker, options as Options, run as () => undefined)],
])("%s", (name, make) => {
  it.each<[unknown, string]>([
    [undefined, "got undefined"],
    [{}, "got an object"],
    ["app.db", "got a string of 6 characters"],
    [{ database: "app.db" }, "got an object"],
  ])("refuses %j as a broker", (broker, given) => {
    const error = thrown(() => make(broker, {}, nothing));

    expect(error.code).toBe("ERR_MQ_INVALID_ARGUMENT");
    expect(error.message).toBe(`${name} needs a broker of openBroker or openTestBroker, ${given}`);
  });

  it.each<[unknown, string]>([
    [undefined, `${name}: DedupOptions must be an object, got undefined`],
    [{ ttl: 1 }, `${name}: DedupOptions has no option "ttl"; it has key, retainMs`],
    [{ key: "id" }, `${name}: key must be a function, got "id"`],
    [{ retainMs: 0 }, `${name}: retainMs must be an integer from 1 to 315360000000, got 0`],
    [{ retainMs: 1.5 }, `${name}: retainMs must be an integer from 1 to 315360000000, got 1.5`],
    [{ retainMs: "7d" }, `${name}: retainMs must be an integer from 1 to 315360000000, got "7d"`],
  ])("refuses the options %j", async (options, message) => {
    await using shop = await openShop();

    const error = thrown(() => make(shop.mq, options, nothing));

    expect(error.code).toBe("ERR_MQ_INVALID_ARGUMENT");
    expect(error.message).toContain(message);
  });

  it("refuses what is no function", async () => {
    await using shop = await openShop();

    expect(thrown(() => make(shop.mq, {}, "run")).message).toContain('must be a function, got "run"');
  });

  it("takes options that are undefined for absent", async () => {
    await using shop = await openShop();
    await shop.consume(make(shop.mq, { key: undefined, retainMs: undefined }, nothing));

    await shop.send("a");
    const { clock } = shop.test;
    await clock.settle();
    clock.setTime(clock.now() + 7 * 24 * 60 * 60 * 1_000 - 60_000);
    await clock.settle();
    const before = shop.keys();
    await clock.advance(2 * 60_000);

    expect([before, shop.keys()]).toEqual([1, 0]);
  });

  it.each<[string, unknown, string]>([
    ["an empty text", "", "got a string of 0 bytes"],
    ["256 bytes", "x".repeat(256), "got a string of 256 bytes"],
    ["256 bytes of fewer characters", "é".repeat(128), "got a string of 256 bytes"],
    ["half a character", "a\ud800", "got a string of 4 bytes with half a character"],
    ["a number", 7, "got a number"],
    ["a promise", Promise.resolve("a"), "got an object"],
  ])("fails a delivery for whose key it gets %s", async (_what, key, given) => {
    await using shop = await openShop();
    let runs = 0;
    const run = (): undefined => {
      runs += 1;
    };
    await shop.consume(make(shop.mq, { key: () => key }, run), { maxReconsumeTimes: 0 });

    await shop.send("a");
    await shop.test.clock.advance(100);

    expect([runs, shop.keys()]).toEqual([0, 0]);
    expect(shop.warnings()).toEqual([
      expect.stringContaining(`${name}: key must return a text of 1 to 255 bytes of UTF-8, ${given}`),
    ]);
  });

  it("fails a delivery whose key function throws", async () => {
    await using shop = await openShop();
    const key = (): string => {
      throw new Error("no such property");
    };
    await shop.consume(make(shop.mq, { key }, nothing), { maxReconsumeTimes: 0 });

    await shop.send("a");
    await shop.test.clock.advance(100);

    expect(shop.warnings()).toEqual([expect.stringContaining("no such property")]);
  });

  it.each<[string, string]>([
    ["255 bytes", "x".repeat(255)],
    ["characters of four bytes", "🐿".repeat(63)],
    ["a NUL", "a\u0000b"],
    ["the form of a message id", "7F00000100017E4B7E4B00000000ABCD"],
    ["that in small letters", "7f00000100017e4b7e4b00000000abcd"],
  ])("takes %s for a key, and tells it from all others", async (_what, text) => {
    await using shop = await openShop();
    const keys = new Map([
      ["a", text],
      ["b", `${[...text].slice(0, -1).join("")}0`],
      ["c", [...text].slice(0, -1).join("")],
    ]);
    const ran: string[] = [];
    const key = (message: MessageView): string => keys.get(message.text()) ?? text;
    await shop.consume(make(shop.mq, { key }, (message: MessageView): undefined => void ran.push(message.text())));

    for (const body of ["a", "b", "c", "d"]) {
      await shop.send(body);
      await shop.test.clock.settle();
    }

    expect(ran).toEqual(["a", "b", "c"]);
  });

  it("rejects outside of a delivery, and for a message that is not of the delivery", async () => {
    await using shop = await openShop();
    const listener = make(shop.mq, {}, nothing);
    const messages: MessageView[] = [];
    const failures: unknown[] = [];
    await shop.consume(async (message, context) => {
      messages.push(message);
      if (messages.length === 2) failures.push(await reasonOf(listener(messages[0] as MessageView, context)));
    });
    await shop.send("a");
    await shop.test.clock.settle();
    await shop.send("b");
    await shop.test.clock.settle();

    failures.push(await reasonOf(listener(messages[0] as MessageView, {} as never)));

    const refusal = {
      code: "ERR_MQ_INVALID_ARGUMENT",
      message: `${name}: it can be called only as, or within, the listener of a push consumer that has this message`,
    };
    expect(failures).toEqual([expect.objectContaining(refusal), expect.objectContaining(refusal)]);
  });

  it("rejects in a delivery of another broker", async () => {
    await using shop = await openShop();
    await using other = await openShop();
    await shop.consume(make(other.mq, {}, nothing), { maxReconsumeTimes: 0, instanceName: "w1" });

    await shop.send("a");
    await shop.test.clock.advance(100);

    expect(shop.warnings()).toEqual([
      expect.stringMatching(`${name}: its broker is another one than that of consumer .*w1 of group billing`),
    ]);
  });
});

function reasonOf(result: unknown): Promise<unknown> {
  return Promise.resolve(result).then(
    () => undefined,
    (error: unknown) => error,
  );
}
