import { describe, expect, it } from "vitest";
import { startChild } from "../support/child-process.js";
import { tempFolder } from "../support/temp-folder.js";
import { openTestBroker } from "../support/test-broker.js";
import { VirtualClock } from "../support/virtual-clock.js";

describe("a process that only sends in transactions", () => {
  it.each([
    ["embedded", 6_000],
    ["rocketmq", 60_000],
  ] as const)(
    "is asked for those that another one left behind, though it stores nothing itself: %s",
    async (profile, afterMs) => {
      using folder = tempFolder();
      const path = folder.file("app.db");
      const clock = new VirtualClock(Date.now());
      await using broker = await openTestBroker({ path, clock, profile });
      const { mq } = broker;
      const asked: string[] = [];
      const producer = mq.transactionProducer({
        group: "shop",
        checkLocalTransaction: (message) => {
          asked.push(message.text());
          return "commit";
        },
      });
      await producer.start();
      await clock.advance(0);

      await using other = startChild("begin-transaction.mjs", path, "shop", "orders", "a");
      await other.tells("begun");
      await other.kill();
      // What the other one did in real time counts here too.
      await clock.advance(afterMs + 5_000);

      expect(asked).toEqual(["a"]);
      await producer.close();
    },
  );
});
