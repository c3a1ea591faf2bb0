import { describe, expect, it } from "vitest";
import type { MessageView } from "../../lib/index.js";
import { openTestBroker } from "../support/test-broker.js";

/** The message as it is read from the store. */
async function stored(body: string): Promise<MessageView> {
  await using broker = await openTestBroker({ defaultQueueCount: 1 });
  const { mq } = broker;
  mq.producer({ group: "shop" }).sendSync({ topic: "orders", body });
  const [message] = await mq.admin.browse({ topic: "orders", brokerName: "broker-a", queueId: 0 }, 0, 1);
  return message as MessageView;
}

describe("json() of a message", () => {
  it.each(['{"total":49.9}', "[]", "null", '"text"', "7"])("gives what the body says: %s", async (body) => {
    const message = await stored(body);

    expect(message.json()).toEqual(JSON.parse(body));
  });

  it.each(["secret", '{"card":1,x}', '"ünterminated', "{", " "])(
    "says which message is none, where it lies and how large it is, and quotes nothing: %s",
    async (body) => {
      const message = await stored(body);

      const read = (): unknown => message.json();

      const where = `${message.messageId} is no JSON: topic orders, queue 0, offset 0, ${Buffer.byteLength(body)} bytes`;
      expect(read).toThrow(new SyntaxError(`the body of message ${where}`));
    },
  );
});
