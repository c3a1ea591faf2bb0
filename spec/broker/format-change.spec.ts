import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { FORMAT_VERSION } from "../../lib/store/migrations.js";
import { tempFolder } from "../support/temp-folder.js";
import { openTestBroker } from "../support/test-broker.js";
import { type Engine, openEngines, TOPIC } from "./engines.js";

const CHANGED = { code: "ERR_MQ_STORE_FORMAT" };

/** A newer version of the library opens the file and migrates it. */
function migrateBehind(path: string): void {
  const newer = new Database(path);
  newer.prepare("UPDATE mq_meta SET value = ? WHERE name = 'format_version'").run(FORMAT_VERSION + 1);
  newer.close();
}

function readAll({ test }: Engine): Promise<unknown> {
  return test.mq.admin.topicStats(TOPIC).catch((error: unknown) => error);
}

describe("a store that another process brings to a newer format while it is open here", () => {
  it("takes nothing more from here, says why, and keeps what it had", async () => {
    await using engines = await openEngines();
    const engine = await engines.open();
    await engine.send("before", 0);
    migrateBehind(engines.path);

    const refused = await engine.send("after", 0).catch((error: unknown) => error);
    const sync = ((): unknown => {
      try {
        return engine.test.mq.producer({ group: "shop" }).sendSync({ topic: TOPIC, body: "after" });
      } catch (error) {
        return error;
      }
    })();

    expect(refused).toMatchObject(CHANGED);
    expect((refused as Error).message).toContain(`from ${FORMAT_VERSION} to ${FORMAT_VERSION + 1}`);
    expect([sync, await readAll(engine)]).toEqual([expect.objectContaining(CHANGED), expect.objectContaining(CHANGED)]);
    const count = engine.test.mq.database.prepare("SELECT sum(message_count) FROM mq_log") as Database.Statement;
    expect(count.pluck().get()).toBe(1);
    // So that the store can be checked.
    new Database(engines.path).exec(`UPDATE mq_meta SET value = ${FORMAT_VERSION} WHERE name = 'format_version'`);
  });

  it("gives consumers nothing more from here, and they are told", async () => {
    using folder = tempFolder();
    const { mq, clock, logged } = await openTestBroker({ path: folder.file("app.db") });
    const producer = mq.producer({ group: "shop" });
    await producer.send({ topic: TOPIC, body: "before" });
    const received: string[] = [];
    const listener = (message: { text(): string }): void => void received.push(message.text());
    const consumer = mq.pushConsumer({ group: "billing", subscriptions: { [TOPIC]: "*" }, listener });
    await consumer.start();
    await clock.advance(1_000);

    migrateBehind(folder.file("app.db"));
    await clock.advance(1_000);
    const closed = await mq.close().catch((error: unknown) => error);

    expect([received, consumer.assignment]).toEqual([["before"], []]);
    expect(logged.map(({ level, text }) => [level, text])).toContainEqual([
      "error",
      expect.stringMatching(/stopped: another process has changed the format/),
    ]);
    // Offsets that were not stored yet stay so.
    expect(closed).toMatchObject(CHANGED);
  });
});
