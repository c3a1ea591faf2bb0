import { describe, expect, it } from "vitest";
import { OrderlyResult } from "../../lib/index.js";
import { browseQueue } from "../support/shared-connection.js";
import { tempFolder } from "../support/temp-folder.js";
import { type Answer, openOrderlyRun } from "./orderly-run.js";

const { SUCCESS, SUSPEND, COMMIT, ROLLBACK } = OrderlyResult;

/** Answers in turn, the last one for ever. */
function inTurn(autoCommit: boolean, ...results: readonly OrderlyResult[]): Answer {
  let next = 0;
  return (_bodies, context) => {
    context.autoCommit = autoCommit;
    next += 1;
    return results[Math.min(next, results.length) - 1];
  };
}

describe("an orderly consumer's results", () => {
  it.each([
    ["SUCCESS", SUCCESS],
    ["nothing", undefined],
    ["COMMIT", COMMIT],
    ["ROLLBACK", ROLLBACK],
  ])("commit at once with autoCommit: %s", async (name, result) => {
    await using run = await openOrderlyRun(1);
    await run.send(0, "m0", "m1");
    await run.consumer(inTurn(true, result)).start();
    await run.clock.advance(5_000);

    expect(run.bodies).toEqual(["m0", "m1"]);
    expect(await run.offsets()).toEqual([2]);
    const warnings = run.logged.filter(({ level }) => level === "warn");
    expect(warnings).toHaveLength(name === "COMMIT" || name === "ROLLBACK" ? 2 : 0);
  });

  it("without autoCommit commit with COMMIT alone, and then all that came before", async () => {
    await using run = await openOrderlyRun(1);
    const consumed: number[] = [];
    run.mq.on("message:consumed", () => void consumed.push(run.calls.length));
    await run.send(0, "m0", "m1", "m2", "m3");
    await run.consumer(inTurn(false, SUCCESS, undefined, COMMIT, SUCCESS)).start();
    await run.clock.advance(5_000);

    expect(run.bodies).toEqual(["m0", "m1", "m2", "m3"]);
    expect(await run.offsets()).toEqual([3]);
    expect(consumed).toHaveLength(3);
  });

  it("without autoCommit put everything back with ROLLBACK, from the last commit on, and no attempt counts", async () => {
    await using run = await openOrderlyRun(1);
    await run.send(0, "m0", "m1", "m2", "m3");
    await run.consumer(inTurn(false, COMMIT, SUCCESS, ROLLBACK, SUCCESS, SUCCESS, COMMIT)).start();
    await run.clock.advance(999);
    expect(run.bodies).toEqual(["m0", "m1", "m2"]);
    await run.clock.advance(1);

    expect(run.bodies).toEqual(["m0", "m1", "m2", "m1", "m2", "m3"]);
    expect(await run.offsets()).toEqual([4]);
  });

  it("without autoCommit put back with SUSPEND what this call got alone", async () => {
    await using run = await openOrderlyRun(1);
    await run.send(0, "m0", "m1");
    await run.consumer(inTurn(false, SUCCESS, SUSPEND, COMMIT)).start();
    await run.clock.advance(1_000);

    expect(run.bodies).toEqual(["m0", "m1", "m1 #2"]);
    expect(await run.offsets()).toEqual([2]);
  });

  it("of a later call with autoCommit commit what earlier calls left", async () => {
    await using run = await openOrderlyRun(1);
    await run.send(0, "m0", "m1", "m2");
    await run
      .consumer((bodies, context) => {
        context.autoCommit = bodies === "m1";
        return SUCCESS;
      })
      .start();
    await run.clock.advance(1_000);

    expect(await run.offsets()).toEqual([2]);
  });

  it("that were not committed count for nothing after the consumer has closed", async () => {
    await using run = await openOrderlyRun(1);
    await run.send(0, "m0", "m1", "m2");
    const first = run.consumer(inTurn(false, COMMIT, SUCCESS));
    await first.start();
    await run.clock.settle();
    await first.close();

    await run.consumer(undefined, { instanceName: "b" }).start();
    await run.clock.settle();

    expect(run.bodies).toEqual(["m0", "m1", "m2", "m1", "m2"]);
  });

  it("commit with autoCommit what earlier calls left also when the last attempt of this call's message failed", async () => {
    await using run = await openOrderlyRun(1);
    await run.send(0, "m0", "bad");
    await run
      .consumer(
        (bodies, context) => {
          context.autoCommit = bodies === "bad";
          return bodies === "bad" ? SUSPEND : SUCCESS;
        },
        { maxReconsumeTimes: 0 },
      )
      .start();
    await run.clock.advance(1_000);

    expect(await run.offsets()).toEqual([2]);
  });

  it("without autoCommit bury what has used up its attempts for good, whatever is committed", async () => {
    using folder = tempFolder();
    const path = folder.file("app.db");
    {
      await using run = await openOrderlyRun(1, { path });
      await run.send(0, "m0", "bad", "m2");
      await run
        .consumer(
          (bodies, context) => {
            context.autoCommit = false;
            return bodies === "bad" ? SUSPEND : SUCCESS;
          },
          { maxReconsumeTimes: 0 },
        )
        .start();
      await run.clock.advance(1_000);
      expect(run.bodies).toEqual(["m0", "bad", "m2"]);
      expect(await run.offsets()).toEqual([0]);
    }
    await using again = await openOrderlyRun(1, { path });
    await again.consumer().start();
    await again.clock.settle();

    expect(again.bodies).toEqual(["m0", "m2"]);
    expect(await browseQueue(again.mq, "%DLQ%billing")).toHaveLength(1);
  });
});
