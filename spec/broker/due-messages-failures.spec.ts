import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import type { MqError } from "../../lib/index.js";
import { type FaultDriver, openFaultDriver, TAKING_THE_LOCK } from "../support/fault-driver.js";
import { browseQueue } from "../support/shared-connection.js";
import { tempFolder } from "../support/temp-folder.js";
import { openTestBroker, type TestBroker } from "../support/test-broker.js";
import { makeDueStore } from "./due-store.js";

const DUE_AFTER_MS = 10_000;
const BODIES = ["a", "b", "c"];

interface Setup extends AsyncDisposable {
  readonly driver: FaultDriver;
  readonly test: TestBroker;
  readonly errors: readonly MqError[];
  texts(): Promise<readonly string[]>;
}

/** Three messages that are due after ten seconds, a millisecond after each other; nine have passed. */
async function setup(driver: FaultDriver = openFaultDriver(), isHeard = true): Promise<Setup> {
  await makeDueStore(
    driver.database,
    BODIES.map((body, index) => ({ afterMs: DUE_AFTER_MS - index, body })),
  );
  const test = await openTestBroker({ database: driver.database });
  const errors: MqError[] = [];
  if (isHeard) test.mq.on("error", (error) => void errors.push(error));
  await test.clock.advance(DUE_AFTER_MS - 1_000);
  return {
    driver,
    test,
    errors,
    texts: async () => (await browseQueue(test.mq, "orders")).map((message) => message.text()),
    [Symbol.asyncDispose]: async () => {
      driver.heal();
      await test[Symbol.asyncDispose]();
      driver.database.close();
    },
  };
}

const codesOf = (errors: readonly MqError[]): readonly string[] => errors.map(({ code }) => code);

describe("moving what is due", () => {
  it.each([
    ["INSERT INTO mq_log", "SQLITE_FULL", "before", "ERR_MQ_SERVICE_NOT_AVAILABLE"],
    ["INSERT INTO mq_log", "SQLITE_BUSY", "before", "ERR_MQ_SYSTEM_BUSY"],
    ["INSERT INTO mq_log", "SQLITE_IOERR_WRITE", "after", "ERR_MQ_STORE"],
    ["DELETE FROM mq_due", "SQLITE_IOERR_READ", "after", "ERR_MQ_STORE"],
    [TAKING_THE_LOCK, "SQLITE_IOERR_LOCK", "before", "ERR_MQ_STORE"],
    [TAKING_THE_LOCK, "SQLITE_FULL", "before", "ERR_MQ_SERVICE_NOT_AVAILABLE"],
    ["COMMIT", "SQLITE_FULL", "before", "ERR_MQ_SERVICE_NOT_AVAILABLE"],
  ] as const)(
    "is reported as an error and tried again a second later when %s fails with %s %s it runs",
    async (statement, sqliteCode, moment, code) => {
      await using both = await setup();
      const { driver, test, errors, texts } = both;
      driver.fail(statement, sqliteCode, moment);

      await test.clock.advance(998 + 999);
      const once = codesOf(errors);
      await test.clock.advance(1);
      const twice = codesOf(errors);
      driver.heal();
      const whileItFailed = await texts();
      await test.clock.advance(1_000);

      expect(once).toEqual([code]);
      expect(twice).toEqual([code, code]);
      expect(errors.map(({ cause }) => cause)).toMatchObject([{ code: sqliteCode }, { code: sqliteCode }]);
      expect(whileItFailed).toEqual([]);
      expect(await texts()).toEqual(["c", "b", "a"]);
      expect(errors).toHaveLength(2);
    },
  );

  it.each([TAKING_THE_LOCK, "COMMIT"])(
    "waits three seconds for another connection that is in the way of its %s, and is tried again then",
    async (statement) => {
      await using both = await setup();
      const { driver, test, errors, texts } = both;
      driver.fail(statement, "SQLITE_BUSY", "before");

      await test.clock.advance(3_900);
      const early = codesOf(errors);
      await test.clock.advance(200);
      const late = codesOf(errors);
      driver.heal();
      await test.clock.advance(1_000);

      expect([early, late]).toEqual([[], ["ERR_MQ_SYSTEM_BUSY"]]);
      expect(await texts()).toEqual(["c", "b", "a"]);
    },
  );

  it("goes on as soon as a lock of less than three seconds is gone, and reports nothing", async () => {
    await using both = await setup();
    const { driver, test, errors, texts } = both;
    driver.fail(TAKING_THE_LOCK, "SQLITE_BUSY", "before");

    await test.clock.advance(2_500);
    driver.heal();
    await test.clock.advance(50);

    expect([await texts(), errors]).toEqual([["c", "b", "a"], []]);
  });

  it("is tried again when what is due next could not be read", async () => {
    await using both = await setup();
    const { driver, test, errors, texts } = both;
    driver.onRead = (source) => {
      if (source.startsWith("SELECT due_at"))
        throw new Database.SqliteError("injected by the spec", "SQLITE_IOERR_READ");
    };

    await test.clock.advance(998);
    const once = codesOf(errors);
    driver.onRead = undefined;
    await test.clock.advance(1_000);

    expect(once).toEqual(["ERR_MQ_STORE"]);
    expect([await texts(), errors.length]).toEqual([["c", "b", "a"], 1]);
  });

  it("is logged when nobody listens to errors", async () => {
    await using both = await setup(openFaultDriver(), false);
    const { driver, test } = both;
    driver.fail("INSERT INTO mq_log", "SQLITE_FULL", "before");

    await test.clock.advance(998);

    const logged = test.logged.filter(({ level }) => level === "error").map(({ text }) => text);
    expect(logged).toEqual([expect.stringContaining("SQLITE_FULL")]);
  });

  it.each(["before", "after"] as const)(
    "ends when a commit has an unknown outcome, failing %s it took effect, and leaves none and doubles none",
    async (moment) => {
      using folder = tempFolder();
      const path = folder.file("app.db");
      const driver = openFaultDriver(path);
      const both = await setup(driver);
      const { test, errors } = both;
      driver.fail("COMMIT", "SQLITE_IOERR_FSYNC", moment);

      await test.clock.advance(10_000);
      const timers = test.clock.pendingTimers;
      await both[Symbol.asyncDispose]();

      expect(codesOf(errors)).toEqual(["ERR_MQ_OUTCOME_UNKNOWN"]);
      expect(timers).toBe(0);
      await using reopened = await openTestBroker({ path });
      await reopened.clock.advance(DUE_AFTER_MS);
      expect((await browseQueue(reopened.mq, "orders")).map((message) => message.text())).toEqual(["c", "b", "a"]);
    },
  );
});
