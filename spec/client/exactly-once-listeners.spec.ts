import { describe, expect, it } from "vitest";
import {
  exactlyOnce,
  idempotent,
  type MessageListener,
  type MessageView,
  type OrderlyListener,
} from "../../lib/index.js";
import { openTestBroker as openKit } from "../../lib/testing/index.js";
import { openTestBroker, type TestBroker } from "../support/test-broker.js";

const TOPIC = "orders";
const ONE_QUEUE = { defaultQueueCount: 1 };

describe("a listener that does something after exactlyOnce", () => {
  it.each([
    ["a concurrent", false],
    ["an orderly", true],
  ])(
    "of %s consumer gets its message again when its process dies meanwhile; the effect is made once",
    async (_kind, orderly) => {
      const broker = await openKit({ ...ONE_QUEUE, leaks: "ignore" });
      const [effects, mailed]: [string[], string[]] = [[], []];
      let isDown = true;
      const consume = async (): Promise<void> => {
        const once = exactlyOnce(broker, {}, (message) => void effects.push(message.text()));
        const listener = async (message: MessageView, context: never): Promise<undefined> => {
          await once(message, context);
          if (isDown && !orderly) await new Promise(() => undefined);
          if (isDown) throw new Error("the mail server is down");
          mailed.push(message.text());
          return undefined;
        };
        const options = { group: "billing", subscriptions: { [TOPIC]: "*" } };
        await broker
          .pushConsumer(
            orderly
              ? { ...options, orderly, listener: listener as OrderlyListener }
              : { ...options, listener: listener as MessageListener },
          )
          .start();
      };
      await consume();
      await broker.producer({ group: "shop" }).send({ topic: TOPIC, body: "a" });
      await broker.waitFor({ state: "delivered" });
      await broker.clock.advance(100);

      await broker.faults.crash();
      isDown = false;
      await consume();
      await broker.clock.advance("2m");

      expect([effects, mailed]).toEqual([["a"], ["a"]]);
      await broker.close({ graceMs: 0 });
    },
  );
});

describe("a key that is used twice in one delivery", () => {
  async function failuresOf(broker: TestBroker, listener: MessageListener): Promise<readonly string[]> {
    const { mq, clock, logged } = broker;
    await mq.pushConsumer({ group: "billing", subscriptions: { [TOPIC]: "*" }, listener }).start();
    await mq.producer({ group: "shop" }).send({ topic: TOPIC, body: "a" });
    await clock.advance(0);
    return logged.map(({ text }) => text);
  }

  it("is refused: the second effect would never be made", async () => {
    await using broker = await openTestBroker(ONE_QUEUE);
    const made: string[] = [];
    const first = exactlyOnce(broker.mq, {}, () => void made.push("first"));
    const second = exactlyOnce(broker.mq, {}, () => void made.push("second"));

    const failures = await failuresOf(broker, async (message, context) => {
      await first(message, context);
      await second(message, context);
      return undefined;
    });

    expect(made).toEqual(["first"]);
    expect(failures).toEqual([expect.stringContaining("give each effect of a message a key of its own")]);
  });

  it("is refused within a handler of idempotent: it would find the key in hand for ever", async () => {
    await using broker = await openTestBroker(ONE_QUEUE);
    const made: string[] = [];
    const once = exactlyOnce(broker.mq, {}, () => void made.push("a"));

    const failures = await failuresOf(broker, idempotent(broker.mq, {}, once));

    expect(made).toEqual([]);
    expect(failures).toEqual([expect.stringContaining("give each effect of a message a key of its own")]);
  });

  it("is not one where the effects have keys of their own", async () => {
    await using broker = await openTestBroker(ONE_QUEUE);
    const made: string[] = [];
    const keyed = (name: string): MessageListener =>
      exactlyOnce(broker.mq, { key: ({ messageId }) => `${name} ${messageId}` }, () => void made.push(name));
    const [first, second, third] = [keyed("a"), keyed("b"), keyed("c")];

    const failures = await failuresOf(broker, async (message, context) => {
      for (const effect of [first, second, third]) await effect(message, context);
      return undefined;
    });

    expect([made, failures]).toEqual([["a", "b", "c"], []]);
  });
});
