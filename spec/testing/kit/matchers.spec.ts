import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ConsumeResult } from "../../../lib/index.js";
import { matchers, type TestBroker, type TestBrokerMatchers } from "../../../lib/testing/index.js";
import { tempFolder } from "../../support/temp-folder.js";
import { consume, type Kit, openKit } from "./open-kit.js";

declare module "vitest" {
  // biome-ignore lint/suspicious/noExplicitAny: the type parameter has to be Vitest's own
  interface Matchers<T = any> extends TestBrokerMatchers<T> {}
}

expect.extend(matchers);

let kit: Kit;
let broker: TestBroker;

beforeEach(async () => {
  kit = await openKit();
  broker = kit.broker;
  const listener = (message: { readonly tag: string | undefined }): ConsumeResult =>
    message.tag === "bad" ? ConsumeResult.RETRY : ConsumeResult.SUCCESS;
  await broker.pushConsumer({ group: "billing", subscriptions: { orders: "*" }, listener }).start();
  await broker.admin.updateGroup("billing", { retryMaxTimes: 0 });
  const producer = broker.producer({ group: "p" });
  const body = JSON.stringify({ id: 1, lines: [{ sku: "a" }] });
  await producer.send({ topic: "orders", tag: "paid", keys: ["o-1", "c-7"], body, properties: { region: "EU" } });
  await producer.send({ topic: "orders", tag: "bad", keys: ["o-2"], body: "no json" });
  await producer.send({ topic: "refunds", messageGroup: "o-1", body: new Uint8Array([1, 2]) });
  await broker.runUntilIdle();
});

afterEach(async () => {
  await kit[Symbol.asyncDispose]();
});

/** What an assertion fails with, without colours. */
function failureOf(assertion: () => unknown): string {
  try {
    assertion();
  } catch (error) {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what colours are
    return (error as Error).message.replace(/\u001b\[\d+m/g, "");
  }
  return "it passed";
}

describe("toHaveSent", () => {
  it.each([
    [{}],
    [{ topic: "orders" }],
    [{ tag: "paid", key: "c-7" }],
    [{ key: expect.stringMatching(/^c-\d$/) }],
    [{ keys: ["o-1", "c-7"] }],
    [{ json: { id: 1, lines: [{ sku: "a" }] } }],
    [{ json: expect.objectContaining({ id: 1 }) }],
    [{ body: "no json" }],
    [{ body: expect.stringContaining("json") }],
    [{ body: new Uint8Array([1, 2]) }],
    [{ properties: { region: "EU" } }],
    [{ messageGroup: "o-1" }],
    [{ topic: "orders", times: 2 }],
    [{ topic: "invoices", times: 0 }],
  ])("fits %o", (expected) => {
    expect(broker).toHaveSent(expected);
  });

  it.each([
    [{ topic: "invoices" }],
    [{ key: "o" }],
    [{ key: "o-1 c-7" }],
    [{ key: expect.anything(), topic: "refunds" }],
    [{ keys: ["c-7", "o-1"] }],
    [{ json: { id: 1 } }],
    [{ body: new Uint8Array([1]) }],
    [{ properties: {}, topic: "orders", tag: "paid" }],
    [{ topic: "orders", times: 1 }],
  ])("does not fit %o", (expected) => {
    expect(broker).not.toHaveSent(expected);
  });

  it("shows what is different in the messages that come closest, and what happened", () => {
    const failure = failureOf(() => expect(broker).toHaveSent({ topic: "orders", tag: "paid", key: "o-9" }));

    expect(failure).toMatch(/^expected the broker to have sent a message with topic "orders", tag "paid", key "o-9"\n/);
    expect(failure).toContain("3 were sent, none fits:");
    expect(failure).toMatch(
      /message \w{32} differs in 1 of 3:\n- Expected\n\+ Received\n\n {2}\{\n- {3}"key": "o-9",\n\+ {3}"key": "o-1 c-7",\n {2}\}/,
    );
    expect(failure).toMatch(/what happened: \n {2}2026-01-01T00:00:00.000Z stored orders paid o-1 c-7 \w{32}\n/);
  });

  it.each([
    ["text", "x".repeat(100_000), `${"x".repeat(70_000)}y${"x".repeat(29_999)}`],
    ["bytes", new Uint8Array(100_000), new Uint8Array(100_000).fill(1, 70_000)],
    ["numbers", JSON.stringify(Array(1_000).fill(0)), JSON.stringify(Array(1_000).fill(1))],
    ["texts", JSON.stringify({ note: "x".repeat(100_000) }), JSON.stringify({ note: `${"x".repeat(99_999)}y` })],
  ])("shows in a few lines where a long body of %s differs", async (kind, body, expected) => {
    await broker.reset();
    await broker.producer({ group: "p" }).send({ topic: "orders", body });

    const wanted =
      kind === "numbers" || kind === "texts" ? { json: JSON.parse(expected as string) } : { body: expected };
    const failure = failureOf(() => expect(broker).toHaveSent(wanted));

    expect(failure.length).toBeLessThan(4_000);
    expect(failure).toMatch(
      {
        text: /\(69950 characters\) … x{50}yx+ … \(29850 characters\)/,
        bytes: /- .*\(69992 bytes\) … (00 ){8}(01 )+… .*\n\+ .*\(69992 bytes\) … (00 )+…/,
        numbers: /\n-.* 1,\n.*\n… \d+ lines\n/,
        texts: /-.*"note": "\(99949 characters\) … x{50}y",\n\+.*"note": "\(99949 characters\) … x{51}"/,
      }[kind] as RegExp,
    );
  });

  it("shows asymmetric matchers as the runner does", () => {
    const expected = { key: expect.stringMatching(/^x/), json: { id: expect.any(String) }, body: expect.anything() };

    expect(failureOf(() => expect(broker).toHaveSent(expected))).toMatch(
      /^expected .* with key StringMatching \/\^x\/, body Anything, json Object \{ "id": Any<String>, \}\n/,
    );
  });

  it("says which messages fit where there are too many or none should", () => {
    const many = failureOf(() => expect(broker).toHaveSent({ topic: "orders", times: 1 }));
    const some = failureOf(() => expect(broker).not.toHaveSent({ topic: "orders" }));

    expect(many).toMatch(
      /^expected the broker to have sent exactly 1 with topic "orders"\n\n2 of the 3 that were sent fit: \w{32}, \w{32}\n/,
    );
    expect(some).toMatch(/^expected the broker not to have sent a message with topic "orders"\n/);
  });

  it("says so where nothing was sent", async () => {
    await broker.reset();

    expect(failureOf(() => expect(broker).toHaveSent({}))).toMatch(/no message was sent\n\nwhat happened: nothing$/);
  });
});

describe("toHaveConsumed", () => {
  it("looks at what a group has consumed, or any", async () => {
    expect(broker).toHaveConsumed({ group: "billing", tag: "paid", times: 1 });
    expect(broker).toHaveConsumed({ tag: "paid" });
    expect(broker).not.toHaveConsumed({ group: "others" });
    expect(broker).not.toHaveConsumed({ tag: "bad" });
    expect(failureOf(() => expect(broker).toHaveConsumed({ group: "others" }))).toMatch(
      /^expected the broker to have consumed by group others a message\n\nno message was consumed/,
    );
  });
});

describe("toHaveDeadLettered", () => {
  it("looks at what went to the dead letters of a group, or any", () => {
    expect(broker).toHaveDeadLettered({ group: "billing", key: "o-2", times: 1 });
    expect(broker).toHaveDeadLettered({ body: "no json" });
    expect(broker).not.toHaveDeadLettered({ group: "others" });
    expect(broker).not.toHaveDeadLettered({ key: "o-1" });
  });

  it("knows what was sent before the broker was opened", async () => {
    using folder = tempFolder();
    const path = folder.file("a.db");
    await using before = await openKit({ path });
    await before.broker.producer({ group: "p" }).send({ topic: "orders", keys: ["o-1"], body: "a" });
    await before.broker.close();
    await using after = await openKit({ path });
    const listener = (): ConsumeResult => ConsumeResult.RETRY;
    await consume(after.broker, { consumeFromWhere: "first-offset", maxReconsumeTimes: 1, listener });

    await after.broker.clock.advance("1m");

    expect(after.broker).toHaveDeadLettered({ group: "billing", topic: "orders", key: "o-1", body: "a", times: 1 });
  });
});

describe("a matcher", () => {
  it.each([
    [() => expect(broker).toHaveSent({ topics: "orders" } as never), 'toHaveSent has no option "topics"'],
    [() => expect(broker).toHaveSent({ group: "billing" }), "toHaveSent has no group"],
    [
      () => expect(broker).not.toHaveConsumed({ group: expect.anything() }),
      "toHaveConsumed: group must be a string, got an object",
    ],
    [() => expect(broker).toHaveConsumed({ times: -1 }), "toHaveConsumed: times must be an integer from 0"],
    [() => expect(broker).toHaveConsumed(undefined as never), "toHaveConsumed must be an object, got undefined"],
    [
      () => expect({}).toHaveDeadLettered({}),
      "toHaveDeadLettered needs a test broker of openTestBroker, got an object",
    ],
  ])("refuses bad input %#", (assertion, message) => {
    expect(failureOf(assertion)).toContain(message);
  });

  it("works without a test runner, too", () => {
    const { toHaveSent } = matchers;

    expect(toHaveSent(broker, { tag: "paid" }).pass).toBe(true);
    expect(toHaveSent(broker, { body: Buffer.from([1, 2]) }).pass).toBe(true);
    const missed = toHaveSent(broker, { tag: "none" });
    expect([missed.pass, missed.message().includes("expected { tag: 'none' }, got { tag: 'paid' }")]).toEqual([
      false,
      true,
    ]);
    const circular: { self?: object; id: bigint } = { id: 1n };
    circular.self = circular;
    expect(toHaveSent(broker, { json: circular }).message()).toContain("expected { json: <ref *1> { id: 1n, self: [");
  });
});
