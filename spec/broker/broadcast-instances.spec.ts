import { describe, expect, it } from "vitest";
import type { Broker, PushConsumer } from "../../lib/index.js";
import { tempFolder } from "../support/temp-folder.js";
import { openTestBroker } from "../support/test-broker.js";

function boardOf(mq: Broker, group: string, instanceName?: string): PushConsumer {
  return mq.pushConsumer({
    group,
    messageModel: "broadcasting",
    ...(instanceName === undefined ? {} : { instanceName }),
    subscriptions: { orders: "*" },
    listener: () => undefined,
  });
}

describe("a broadcasting consumer in a second broker of the process on the same file", () => {
  it("is refused under a name that is taken, until that consumer is closed", async () => {
    using folder = tempFolder();
    await using one = await openTestBroker({ path: folder.file("app.db") });
    await using two = await openTestBroker({ path: folder.file("app.db") });
    const first = boardOf(one.mq, "boards");
    await first.start();

    const second = boardOf(two.mq, "boards");
    const refused = await second.start().catch((error: unknown) => error);
    await first.close();
    await second.start();

    expect(refused).toMatchObject({ code: "ERR_MQ_ALREADY_CREATED", responseCode: -1 });
  });

  it("may have a name that is taken in another group, or one of its own", async () => {
    using folder = tempFolder();
    await using one = await openTestBroker({ path: folder.file("app.db") });
    await using two = await openTestBroker({ path: folder.file("app.db") });
    await boardOf(one.mq, "boards").start();

    await boardOf(two.mq, "towers").start();
    await boardOf(two.mq, "boards", "lobby").start();

    expect((await two.mq.admin.getGroup("boards")).members).toBe(2);
  });
});
