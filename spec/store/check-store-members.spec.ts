import type Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { tempFolder } from "../support/temp-folder.js";
import { openTestBroker } from "../support/test-broker.js";
import { problemsOf } from "./damaged-store.js";

describe("checkStore", () => {
  it.each<[damage: string, sql: string, problem: string]>([
    ["an engine that never lives", "UPDATE mq_engine SET lease_ms = 0", "mq_engine: illegal values: 1"],
    ["an engine of no process", "UPDATE mq_engine SET process_id = 0", "mq_engine: illegal values: 1"],
    ["an engine of a negative thread", "UPDATE mq_engine SET thread_id = -1", "mq_engine: illegal values: 1"],
    ["negative beats", "UPDATE mq_engine SET beats = -1", "mq_engine: illegal values: 1"],
    [
      "an engine key that is given again later",
      "UPDATE mq_meta SET value = 0 WHERE name = 'engine_keys'",
      "mq_engine: a key that nobody was given: 1",
    ],
    [
      "a message model that does not exist",
      "UPDATE mq_member SET message_model = 'all'",
      "mq_member: illegal values: billing ID",
    ],
    [
      "a way to consume that does not exist",
      "UPDATE mq_member SET consume_type = 'peek'",
      "mq_member: illegal values: billing ID",
    ],
    [
      "a sharing member with an instance name",
      "UPDATE mq_member SET instance_name = 'x'",
      "mq_member: illegal values: billing ID",
    ],
    [
      "subscriptions that cannot be read",
      "UPDATE mq_member SET subscriptions = '['",
      "mq_member: illegal values: billing ID",
    ],
    ["a member that is strict by half", "UPDATE mq_member SET strict = 2", "mq_member: illegal values: billing ID"],
    [
      "a registration that is still to come",
      "UPDATE mq_member SET registration = 1000",
      "mq_member: illegal values: billing ID",
    ],
    [
      "a member of no engine",
      "UPDATE mq_member SET engine_key = 7",
      "mq_member: an engine that does not exist: billing ID",
    ],
    ["a member of no group", "UPDATE mq_member SET consumer_group = 'x'", "mq_member: a group that does not exist: x"],
    [
      "a claim of no engine",
      "UPDATE mq_claim SET engine_key = 7 WHERE topic = 'orders'",
      "mq_claim: an engine that does not exist: billing orders 0",
    ],
    [
      "a claim of a negative queue",
      "UPDATE mq_claim SET queue_id = -1 WHERE topic = 'orders'",
      "mq_claim: a negative queue: billing orders -1",
    ],
    [
      "a claim of no group",
      "UPDATE mq_claim SET consumer_group = 'x' WHERE topic = 'orders'",
      "mq_claim: a group that does not exist: x",
    ],
  ])("finds %s", async (_damage, sql, problem) => {
    using folder = tempFolder();
    const { mq, clock } = await openTestBroker({ path: folder.file("app.db"), defaultQueueCount: 1 });
    await mq.admin.createTopic("orders");
    const consumer = mq.pushConsumer({ group: "billing", subscriptions: { orders: "*" }, listener: () => undefined });
    await consumer.start();
    const database = mq.database as Database.Database;
    const before = problemsOf(database);

    database.exec(sql);

    expect(before).toEqual([]);
    expect(problemsOf(database)).toContain(problem.replace("ID", consumer.clientId));
    await mq.close({ graceMs: 0 });
    await clock.settle();
  });
});
