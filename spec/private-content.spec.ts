import { describe, expect, it, vi } from "vitest";
import {
  type Broker,
  type BrokerEvents,
  type ConsumeResult,
  isMqError,
  type Logger,
  type Message,
  type MessageListener,
  openBroker,
  type PushConsumerSettings,
  type SendOptions,
} from "../lib/index.js";
import { deepText } from "./support/deep-text.js";
import { type FaultDriver, openFaultDriver } from "./support/fault-driver.js";
import { openTestBroker } from "./support/test-broker.js";
import { VirtualClock } from "./support/virtual-clock.js";

/** In every body and in every property's value of these specs, as text or as a number. */
const SECRET = 90_210_734_431;
const MINUTE = 60_000;
const order: Message = { topic: "orders", body: `{"card":${SECRET}}`, properties: { card: `${SECRET}` } };
/** What V8 quotes where it says that a text is no JSON, each in another way. */
const MALFORMED = [`${SECRET}x`, `x${SECRET}`, `{"card":${SECRET},x}`, `"${SECRET}`, `{"${SECRET}" 1}`, `[${SECRET}`];

const EVENTS: readonly (keyof BrokerEvents)[] = [
  ...(["message:stored", "message:delivered", "message:consumed", "message:retried", "message:deadLettered"] as const),
  ...(["group:rebalanced", "group:conflict", "error"] as const),
];

/** A broker that is watched: what it logs, its events and its errors are told. */
interface Watched {
  readonly mq: Broker;
  readonly driver: FaultDriver;
  readonly clock: VirtualClock;
  /** Everything that was told. */
  readonly told: unknown[];
  /** Names what the listener is told. */
  consume(listener: MessageListener, settings?: Partial<PushConsumerSettings>): Promise<void>;
  /** Calls and waits; what it throws or rejects with is told. */
  tries(call: () => unknown): Promise<void>;
}

/** @param hears - whether anybody listens to `error`; where nobody does it is logged. */
async function watch(run: (watched: Watched) => Promise<void>, hears = true): Promise<readonly unknown[]> {
  const driver = openFaultDriver();
  const told: unknown[] = [];
  const keep = (text: string, data?: object): void => void told.push(text, data);
  const logger: Logger = { debug: keep, info: keep, warn: keep, error: keep };
  const broker = await openTestBroker({ database: driver.database, logger, defaultQueueCount: 1 });
  const { mq, clock } = broker;
  const heard = EVENTS.filter((event) => hears || event !== "error");
  for (const event of heard) mq.on(event, (value: unknown) => void told.push(event, value));
  const tries = async (call: () => unknown): Promise<void> => {
    try {
      await call();
    } catch (error) {
      told.push(error);
    }
  };
  const consume: Watched["consume"] = async (listener, settings = {}) => {
    const subscriptions = { orders: "*" };
    await mq.pushConsumer({ group: "billing", subscriptions, listener, ...settings }).start();
  };
  await run({ mq, driver, clock, told, consume, tries });
  driver.heal();
  await tries(() => broker[Symbol.asyncDispose]());
  driver.database.close();
  return told;
}

/** That something was said, but nothing of what is in a message. */
function expectDiscretion(told: readonly unknown[], about: string): void {
  const text = deepText(told);
  expect(text).toContain(about);
  expect(text).not.toContain(`${SECRET}`);
}

const shop = (mq: Broker) => mq.producer({ group: "shop" });

describe("what is in a message is told to nobody", () => {
  const untyped = (message: unknown): Message => message as Message;
  const grouped: Message = { ...order, messageGroup: `${SECRET}`, properties: { __SHARDINGKEY: `${SECRET}` } };
  it.each<[what: string, message: Message, options?: SendOptions]>([
    ["a text in place of the message", untyped(`${SECRET}`)],
    ["a number in place of the message", untyped(SECRET)],
    ["a text in place of the options", order, `${SECRET}` as unknown as SendOptions],
    ["a body that is a number", untyped({ ...order, body: SECRET })],
    ["a body that is an object", untyped({ ...order, body: { card: SECRET } })],
    ["no body", { ...order, body: "" }],
    ["a body that is too large", { ...order, body: `${SECRET}`.padEnd(5 * 1024 * 1024) }],
    ["a property that is a number", untyped({ ...order, properties: { card: SECRET } })],
    ["a property with a separator", { ...order, properties: { card: `${SECRET}\u0001` } }],
    ["a property that is no Unicode", { ...order, properties: { card: `${SECRET}\ud800` } }],
    ["a property with a name that is reserved", { ...order, properties: { KEYS: `${SECRET}` } }],
    ["a property that is too large", { ...order, properties: { card: `${SECRET}`.padEnd(40_000, "x") } }],
    ["properties that are a text", untyped({ ...order, properties: `${SECRET}` })],
    ["properties that are an array", untyped({ ...order, properties: [`${SECRET}`] })],
    ["a key that is a number", untyped({ ...order, keys: SECRET })],
    ["a key with a space", { ...order, keys: [`o ${SECRET}`] }],
    ["a tag that is a number", untyped({ ...order, tag: SECRET })],
    ["a message group that is a number", untyped({ ...order, messageGroup: SECRET })],
    ["a message group that is too long", { ...order, messageGroup: `${SECRET}`.padEnd(64, "x") }],
    ["a message group with a control character", { ...order, messageGroup: `${SECRET}\t` }],
    ["a message group beside its property", grouped],
    ["a topic that takes none", { ...order, topic: "invoices" }],
    ["a message queue that does not exist", order, { queue: 7 }],
  ])("when it is refused for %s", async (_what, message, options) => {
    const told = await watch(async ({ mq, tries }) => {
      await mq.admin.createTopic("orders");
      const { send, sendSync, sendBatch, sendBatchSync } = bound(shop(mq));
      await mq.admin.createTopic("invoices", { perm: "R" });
      await tries(() => send(message, options));
      await tries(() => sendSync(message, options));
      await tries(() => sendBatch([order, message], options));
      await tries(() => sendBatchSync(message as unknown as readonly Message[], options));
    });

    expect(told.filter((value) => isMqError(value))).toHaveLength(4);
    expectDiscretion(told, "ERR_MQ_");
  });

  it("when its body changes while it is sent", async () => {
    const body = new TextEncoder().encode(`${SECRET}`);

    const told = await watch(async ({ mq, clock, tries }) => {
      const sent = tries(() => shop(mq).send({ ...order, body }));
      structuredClone(body, { transfer: [body.buffer] });
      await clock.advance(10);
      await sent;
    });

    expectDiscretion(told, "the body had 11 bytes when it was sent, it has 0 now");
  });

  it.each(["SQLITE_FULL", "SQLITE_BUSY", "SQLITE_IOERR", "SQLITE_CORRUPT", "SQLITE_TOOBIG", "SQLITE_CONSTRAINT"])(
    "when storing it fails with %s",
    async (code) => {
      const told = await watch(async ({ mq, driver, clock, tries }) => {
        await mq.admin.createTopic("orders");
        for (const statement of ["INSERT INTO mq_log", "COMMIT"]) {
          driver.fail(statement, code, "before");
          const sent = tries(() => shop(mq).send(order));
          await clock.advance(10_000);
          await sent;
          await tries(() => shop(mq).sendSync(order));
          await tries(() => mq.transaction(() => shop(mq).sendSync(order)));
          driver.heal();
        }
      });

      expectDiscretion(told, code);
    },
  );

  it("when it breaks a constraint of the database", async () => {
    const told = await watch(async ({ mq, driver, tries }) => {
      driver.database.exec("CREATE UNIQUE INDEX one_a_millisecond ON mq_log (store_timestamp)");
      shop(mq).sendSync(order);
      await tries(() => shop(mq).sendSync(order));
    });

    expectDiscretion(told, "SQLITE_CONSTRAINT_UNIQUE");
  });

  const listeners: readonly [how: string, listener: MessageListener, about: string][] = [
    ["throws", () => Promise.reject(new Error("no paper")), "no paper"],
    ["reads a body that is no JSON", (message) => void message.json(), "is no JSON"],
    ["throws the message", (message) => Promise.reject(message), "it threw"],
    ["returns the body", (message) => message.text() as ConsumeResult, "a string of"],
    ["asks for a retry", () => "retry", "message:retried"],
    ["does not end", () => new Promise<undefined>(() => undefined), "did not end within"],
    [
      "takes the delay level from a property",
      (message, context) => {
        Object.assign(context, { delayLevelWhenNextConsume: message.properties["card"] });
        return "retry";
      },
      "set delayLevelWhenNextConsume to a string",
    ],
  ];
  it.each(listeners)(
    "when its listener %s, again and again, until it is a dead letter",
    async (_how, listener, about) => {
      const told = await watch(async ({ mq, clock, consume, told: kept }) => {
        await consume(
          (message, context) => {
            context.signal.addEventListener("abort", () => kept.push(context.signal.reason));
            return listener(message, context);
          },
          { maxReconsumeTimes: 1, consumeTimeoutMs: MINUTE },
        );
        for (const body of MALFORMED) shop(mq).sendSync({ ...order, body });
        await clock.advance(5 * MINUTE);
      });

      expectDiscretion(told, about);
      expect(told).toContain("message:deadLettered");
    },
  );

  it("when a broadcasting instance drops it", async () => {
    const told = await watch(async ({ mq, clock, consume }) => {
      await consume(() => "retry", { messageModel: "broadcasting" });
      shop(mq).sendSync(order);
      await clock.advance(1_000);
    });

    expectDiscretion(told, "drops it");
  });

  it.each([
    { who: "somebody listens", hears: true },
    { who: "nobody listens", hears: false },
  ])("when its failure cannot be stored, whether $who to errors", async ({ hears }) => {
    const told = await watch(async ({ mq, driver, clock, consume }) => {
      await consume(() => "retry");
      shop(mq).sendSync(order);
      driver.fail("INSERT INTO mq_due", "SQLITE_IOERR", "before");
      await clock.advance(MINUTE);
    }, hears);

    expectDiscretion(told, "could not send a message back");
  });

  it("when closing does not wait for it", async () => {
    const told = await watch(async ({ mq, driver, clock, consume, told: kept, tries }) => {
      await consume((_message, { signal }) => {
        signal.addEventListener("abort", () => kept.push("aborted", signal.reason));
        return new Promise<undefined>(() => undefined);
      });
      shop(mq).sendSync(order);
      await clock.advance(100);
      driver.fail("BEGIN", "SQLITE_BUSY", "before");
      const sent = tries(() => shop(mq).send(order));
      const closed = tries(() => mq.close({ graceMs: 0 }));
      await clock.advance(MINUTE);
      await Promise.all([sent, closed]);
    });

    expectDiscretion(told, "aborted");
  });

  it("on stderr, where no logger is given", async () => {
    const clock = new VirtualClock();
    const lines: string[] = [];
    vi.spyOn(process.stderr, "write").mockImplementation((line) => lines.push(String(line)) > 0);
    const mq = await openBroker({ path: ":memory:", clock, seed: 1 });
    const results: MessageListener[] = [(message) => void message.json(), (message) => message.text() as ConsumeResult];
    const listener: MessageListener = (message, context) => results.shift()?.(message, context);
    await mq.pushConsumer({ group: "billing", subscriptions: { orders: "*" }, listener }).start();

    for (const body of MALFORMED) shop(mq).sendSync({ ...order, body });
    await clock.advance(1_000);

    expectDiscretion(lines, "is no JSON");
    expectDiscretion(lines, "a string of");
    await mq.close({ graceMs: 0 });
  });
});

/** Its functions, without their receiver. */
function bound(producer: ReturnType<typeof shop>) {
  const { send, sendSync, sendBatch, sendBatchSync } = producer;
  return {
    send: send.bind(producer),
    sendSync: sendSync.bind(producer),
    sendBatch: sendBatch.bind(producer),
    sendBatchSync: sendBatchSync.bind(producer),
  };
}
