import { describe, expect, it, vi } from "vitest";
import { EventHub } from "../../lib/broker/broker-events.js";
import { type Broker, type BrokerEvents, MqError } from "../../lib/index.js";
import { openFaultDriver } from "../support/fault-driver.js";
import { openTestBroker, type TestBroker } from "../support/test-broker.js";
import { thrown } from "../support/thrown.js";
import { makeDueStore } from "./due-store.js";

type Stored = Parameters<BrokerEvents["message:stored"]>[0];

async function send({ mq, clock }: TestBroker, body = "a"): Promise<void> {
  await mq.producer({ group: "shop" }).send({ topic: "orders", body });
  await clock.settle();
}

const errorsOf = ({ logged }: TestBroker): readonly string[] =>
  logged.filter(({ level }) => level === "error").map(({ text }) => text);

/** A broker in whose background something fails each second, from 1 s on. */
async function failing(run: (broker: TestBroker) => Promise<void>): Promise<void> {
  const driver = openFaultDriver();
  await makeDueStore(driver.database, [{ afterMs: 1_000, body: "a" }]);
  {
    await using broker = await openTestBroker({ database: driver.database });
    driver.fail("INSERT INTO mq_log", "SQLITE_FULL", "before");
    await run(broker);
    driver.heal();
  }
  driver.database.close();
}

/** What a promise of somebody else's make does. */
const THEN = "then";
function thenable(run: (resolve: () => void, reject: (error: Error) => void) => void): object {
  return { [THEN]: run };
}

describe("a listener of a broker's events", () => {
  it.each<[how: string, listener: () => unknown, text: string]>([
    [
      "throws",
      () => {
        throw new Error("bad listener");
      },
      "bad listener",
    ],
    [
      "throws what is no error",
      () => {
        const text: unknown = "a text";
        throw text;
      },
      "it threw 'a text'",
    ],
    ["returns a promise that rejects", () => Promise.reject(new Error("late")), "late"],
    ["returns a thenable that rejects", () => thenable((_resolve, reject) => reject(new Error("own"))), "own"],
    [
      "returns what throws when it is awaited",
      () =>
        thenable(() => {
          throw new Error("trap");
        }),
      "trap",
    ],
  ])("that %s is logged, and hurts neither the others nor the broker", async (_how, listener, text) => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq } = broker;
    const heard: number[] = [];
    mq.on("message:stored", ({ queueOffset }) => void heard.push(queueOffset));
    mq.on("message:stored", listener as BrokerEvents["message:stored"]);
    mq.on("message:stored", ({ queueOffset }) => void heard.push(queueOffset));

    await send(broker);
    await send(broker);

    const line = `a listener of "message:stored" failed: ${text}`;
    expect(heard).toEqual([0, 0, 1, 1]);
    expect(errorsOf(broker)).toEqual([line, line]);
  });

  it("is logged no more when its promise resolves", async () => {
    await using broker = await openTestBroker();
    broker.mq.on("message:stored", async () => {
      await Promise.resolve();
    });

    await send(broker);

    expect(errorsOf(broker)).toEqual([]);
  });

  it("may close the broker", async () => {
    await using broker = await openTestBroker();
    const { mq } = broker;
    let closed: Promise<void> | undefined;
    mq.once("message:stored", () => {
      closed = mq.close();
      return closed;
    });
    const consumer = mq.pushConsumer({ group: "billing", subscriptions: { orders: "*" }, listener: () => undefined });
    await consumer.start();

    await send(broker);
    await closed;

    expect(errorsOf(broker)).toEqual([]);
    expect(thrown(() => mq.producer({ group: "shop" })).code).toBe("ERR_MQ_CLOSED");
  });

  it("may send, whose events come after those of before", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq, clock } = broker;
    const producer = mq.producer({ group: "shop" });
    const heard: string[] = [];
    mq.on("message:stored", ({ queueOffset }) => {
      if (queueOffset < 3) producer.sendSync({ topic: "orders", body: "again" });
    });
    mq.on("message:stored", ({ queueOffset }) => void heard.push(`${queueOffset}`));

    await producer.sendBatch([1, 2].map((body) => ({ topic: "orders", body: `${body}` })));
    await clock.settle();

    // Each of the first three messages causes another one.
    expect(heard).toEqual(["0", "1", "2", "3", "4"]);
  });

  it("may remove itself and others, and add some, for the next event", async () => {
    await using broker = await openTestBroker();
    const { mq } = broker;
    const heard: string[] = [];
    const late = (): void => void heard.push("late");
    const second = (): void => void heard.push("second");
    const first = (): void => {
      heard.push("first");
      mq.off("message:stored", first).off("message:stored", second).on("message:stored", late);
    };
    mq.on("message:stored", first).on("message:stored", second);

    await send(broker);
    const once = [...heard];
    await send(broker);

    expect(once).toEqual(["first", "second"]);
    expect(heard).toEqual(["first", "second", "late"]);
  });

  it("hears one event only with once, also when several come in one turn", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const heard: number[] = [];
    broker.mq.once("message:stored", ({ queueOffset }: Stored) => void heard.push(queueOffset));

    await Promise.all([send(broker), send(broker)]);

    expect(heard).toEqual([0]);
  });

  it("is removed by off, also before the event that it waits for once, and as often as it was added", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq } = broker;
    const [always, never] = [vi.fn(), vi.fn()];
    mq.on("message:stored", always).on("message:stored", always).once("message:stored", never);

    mq.off("message:stored", never).off("message:stored", always);
    await send(broker);
    mq.off("message:stored", always).off("message:stored", always).off("message:stored", vi.fn());
    await send(broker);

    expect([always.mock.calls.length, never.mock.calls.length]).toEqual([1, 0]);
  });

  it("is one of as many as there are: a broker warns of no leak", async () => {
    await using broker = await openTestBroker();
    const warn = vi.spyOn(process, "emitWarning");
    const heard = vi.fn();

    for (let count = 0; count < 50; count += 1) broker.mq.on("message:stored", () => heard());
    await send(broker);

    expect(heard).toHaveBeenCalledTimes(50);
    expect(warn).not.toHaveBeenCalled();
  });

  it("hears nothing of another broker in its process", async () => {
    await using broker = await openTestBroker();
    await using other = await openTestBroker();
    const heard = vi.fn();
    other.mq.on("message:stored", heard);

    await send(broker);

    expect(heard).not.toHaveBeenCalled();
  });
});

describe("an error in the background", () => {
  it("is heard and not logged while somebody listens, and else logged", () =>
    failing(async (broker) => {
      const { mq, clock } = broker;
      const heard: MqError[] = [];
      const listener = (error: MqError): void => void heard.push(error);

      await clock.advance(1_000);
      const unheard = errorsOf(broker).length;
      mq.on("error", listener);
      await clock.advance(1_000);
      const [told, logged] = [heard.length, errorsOf(broker).length];
      mq.off("error", listener);
      await clock.advance(1_000);

      expect([unheard, told, logged]).toEqual([1, 1, 1]);
      expect([heard.length, errorsOf(broker).length]).toEqual([1, 2]);
      expect(heard[0]).toBeInstanceOf(MqError);
      expect(heard[0]).toMatchObject({ code: "ERR_MQ_SERVICE_NOT_AVAILABLE", cause: { code: "SQLITE_FULL" } });
    }));

  it("whose listener throws is logged with what that threw, and comes again", () =>
    failing(async (broker) => {
      const { mq, clock } = broker;
      mq.on("error", () => {
        throw new Error("worse");
      });

      await clock.advance(2_000);

      const line = 'a listener of "error" failed: worse';
      expect(errorsOf(broker)).toEqual([line, line]);
    }));

  it("is logged when those who listened when it happened do not any more when it is handed out", async () => {
    const [logged, heard]: string[][] = [[], []];
    const ignore = (): void => undefined;
    const logger = { debug: ignore, info: ignore, warn: ignore, error: (text: string) => void logged?.push(text) };
    const hub = new EventHub(logger);

    hub.once("error", ({ message }) => void heard?.push(message));
    for (const text of ["first", "second"]) hub.error(new MqError("ERR_MQ_STORE", text));
    await Promise.resolve();

    expect([heard, logged]).toEqual([["first"], ["second"]]);
  });
});

describe.each(["on", "once", "off"] as const)("Broker.%s", (method) => {
  it.each([
    ["message:stroed"],
    ["newListener"],
    ["removeListener"],
    ["toString"],
    [""],
    [undefined],
    [null],
    [7],
    [Symbol("error")],
  ])("refuses the event %s, of which nobody would ever hear", async (event) => {
    await using broker = await openTestBroker();
    const call = () => (broker.mq[method] as (...args: unknown[]) => unknown)(event, () => undefined);

    const error = thrown(call);

    expect(error).toMatchObject({ code: "ERR_MQ_INVALID_ARGUMENT", responseCode: -1 });
    expect(error.message).toMatch(/^event must be "message:stored" or .* or "error", got /);
  });

  it.each([[undefined], [null], ["log"], [{ handleEvent: () => undefined }]])(
    "refuses the listener %j",
    async (listener) => {
      await using broker = await openTestBroker();
      const { mq } = broker;
      const call = () => (mq[method] as (...args: unknown[]) => unknown)("error", listener);

      const error = thrown(call);

      expect(error).toMatchObject({ code: "ERR_MQ_INVALID_ARGUMENT", responseCode: -1 });
      expect(error.message).toMatch(/^listener must be a function, got /);
    },
  );

  it("takes every event that there is, and returns the broker", async () => {
    await using broker = await openTestBroker();
    const { mq } = broker;
    const events: Readonly<Record<keyof BrokerEvents, true>> = {
      "message:stored": true,
      "message:delivered": true,
      "message:consumed": true,
      "message:retried": true,
      "message:deadLettered": true,
      "message:expired": true,
      "disk:full": true,
      "disk:recovered": true,
      "group:rebalanced": true,
      "group:conflict": true,
      "clock:jumped": true,
      "transaction:checked": true,
      "transaction:resolved": true,
      error: true,
    };

    const returned = (Object.keys(events) as (keyof BrokerEvents)[]).map(
      (event): Broker => mq[method](event, () => undefined),
    );

    expect(new Set(returned)).toEqual(new Set([mq]));
  });
});
