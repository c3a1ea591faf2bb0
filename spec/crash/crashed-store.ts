import type Database from "better-sqlite3";
import { expect } from "vitest";
import type { Broker } from "../../lib/index.js";
import { openTestBroker, type TestBroker } from "../support/test-broker.js";

/** What is left is looked at however long after the crash. */
const retention = { fileReservedTimeHours: 1_000_000 };

/** Opens what a crash left and proves that it is whole. @param place - a connection in attached mode. */
export async function openCrashedStore(place: string | Database.Database): Promise<TestBroker> {
  const where = typeof place === "string" ? { path: place } : { database: place };
  const test = await openTestBroker({ ...where, retention });
  expect(test.mq.database.pragma("integrity_check", { simple: true })).toBe("ok");
  expect(await test.mq.admin.checkStore()).toEqual({ problems: [] });
  return test;
}

/** Every message of the topic as `body queueId queueOffset`, as the children tell their receipts. */
export async function listMessages(mq: Broker): Promise<readonly string[]> {
  const listed: string[] = [];
  for (const { queue, maxOffset } of await mq.admin.topicStats("orders")) {
    for (let offset = 0; offset < maxOffset; offset += 1_024) {
      const page = await mq.admin.browse(queue, offset, 1_024);
      listed.push(...page.map((message) => `${message.text()} ${message.queueId} ${message.queueOffset}`));
    }
  }
  return listed;
}

/** What a consumer of the group gets, until nothing is left. */
export async function consumeRest({ mq, clock }: TestBroker): Promise<readonly string[]> {
  const delivered: string[] = [];
  const consumer = mq.pushConsumer({
    group: "readers",
    subscriptions: { orders: "*" },
    listener: (message) => void delivered.push(message.text()),
  });
  await consumer.start();
  await clock.settle();
  await consumer.close();
  expect((await mq.admin.consumeStats("readers")).lag).toBe(0);
  return delivered;
}
