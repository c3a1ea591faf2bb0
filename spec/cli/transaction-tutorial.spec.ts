import { describe, expect, it } from "vitest";
import { isTutorialRight, runTutorial, TUTORIAL_TOPIC } from "../../lib/cli/transaction-tutorial.js";
import { storedIn } from "../support/shared-connection.js";
import { tempFolder } from "../support/temp-folder.js";
import { openRecordedBroker, openTestBroker } from "../support/test-broker.js";
import { runCli } from "./run-cli.js";

const never = new AbortController().signal;

describe("the tutorial on transactions", () => {
  it("lets each of its five messages arrive, be discarded or given up, at its time to the millisecond", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq, clock } = broker;

    const running = runTutorial(mq, () => clock.now(), never);
    await clock.advance("10m");
    const result = await running;

    const told = result.events.map(({ atMs, body, tag, what }) => `${atMs / 1_000} ${body} ${tag} ${what}`);
    const checks = Array.from(
      { length: 14 },
      (_, index) => `${36 + index * 30} msg-5 TagC is checked: its producer says unknown`,
    );
    expect(told).toEqual([
      "0 msg-1 TagA is stored; its local transaction says commit",
      ...["0 msg-1 TagA arrives", "0 msg-2 TagB is stored; its local transaction says rollback"].sort(
        (a, b) => told.indexOf(a) - told.indexOf(b),
      ),
      "0 msg-3 TagC is stored; its local transaction says unknown",
      "0 msg-4 TagC is stored; its local transaction says unknown",
      "0 msg-5 TagC is stored; its local transaction says unknown",
      "6 msg-3 TagC is checked: its producer says commit",
      "6 msg-4 TagC is checked: its producer says rollback",
      "6 msg-5 TagC is checked: its producer says unknown",
      "6 msg-3 TagC arrives",
      ...checks,
      "456 msg-5 TagC is given up: nobody knows what became of its transaction",
    ]);
    expect(isTutorialRight(result)).toBe(true);
    expect(await storedIn(mq, TUTORIAL_TOPIC)).toEqual(["0 msg-1", "1 msg-3"]);
    expect(await storedIn(mq, "TRANS_CHECK_MAX_TIME_TOPIC")).toEqual(["0 msg-5"]);
  });

  it("ends in the same way under RocketMQ's rounds of checks", async () => {
    await using broker = await openRecordedBroker({ defaultQueueCount: 1 });
    const { mq, clock } = broker;

    const running = runTutorial(mq, () => clock.now(), never);
    await clock.advance("10m");
    const result = await running;

    expect(Object.fromEntries(result.fates)).toEqual({
      ...{ "msg-1": "arrived", "msg-2": "discarded", "msg-3": "arrived", "msg-4": "discarded" },
      "msg-5": "given up",
    });
    const arrival = result.events.find(({ body, what }) => body === "msg-3" && what === "arrives");
    expect(arrival?.atMs).toBe(30_000);
  });

  it("says so when a message meets another fate", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const running = runTutorial(broker.mq, () => broker.clock.now(), never);
    await broker.clock.advance("10m");
    const result = await running;

    const wrong = { ...result, fates: new Map([...result.fates, ["msg-2", "arrived"] as const]) };

    expect(isTutorialRight(wrong)).toBe(false);
  });
});

describe("pocketmq demo transactions", () => {
  it("shows what happens to the messages, as text or JSON, and that all is as it should be", async () => {
    using folder = tempFolder();
    const options = { tmpdir: folder.path };
    const [text, json] = await Promise.all([
      runCli(["demo", "transactions"], options),
      runCli(["demo", "transactions", "--json"], options),
    ]);

    expect([text.exit, json.exit]).toEqual([0, 0]);
    expect(text.stdout).toContain("msg-5  given up, as it should be");
    expect(JSON.parse(json.stdout)).toMatchObject({ isRight: true, fates: { "msg-1": "arrived" } });
  });

  it.each([[["demo", "orders"]], [["demo", "transactions", "now"]]])("refuses another word: %j", async (args) => {
    using folder = tempFolder();
    const { exit, stderr } = await runCli(args, { tmpdir: folder.path });

    expect(exit).toBe(2);
    expect(stderr).toContain("Unexpected argument");
  });
});
