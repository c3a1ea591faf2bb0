import { describe, expect, it } from "vitest";
import type { GroupSettings } from "../../lib/index.js";
import type { TestPort } from "../support/local-broker.js";
import { tempFolder } from "../support/temp-folder.js";
import {
  acknowledge,
  changeInvisible,
  INVISIBLE_MS,
  offsetsOf,
  openPopPort,
  pop,
  popping,
  rowsOf,
  send,
  texts,
} from "./pop-port.js";

interface Two extends AsyncDisposable {
  readonly a: TestPort;
  readonly b: TestPort;
  advance(ms: number): Promise<void>;
}

/** Two brokers on one file, as two processes have them. */
async function openTwo(group: GroupSettings = {}): Promise<Two> {
  const folder = tempFolder();
  const path = folder.file("app.db");
  const a = await openPopPort({ path, group, seed: 1 });
  const b = await openPopPort({ path, group, seed: 2 });
  return {
    a,
    b,
    advance: async (ms) => {
      for (let left = ms; left > 0; left -= 500)
        for (const { clock } of [a, b]) await clock.advance(Math.min(left, 500));
      for (const { clock } of [a, b]) await clock.settle();
    },
    [Symbol.asyncDispose]: async () => {
      await b[Symbol.asyncDispose]();
      await a[Symbol.asyncDispose]();
      folder[Symbol.dispose]();
    },
  };
}

describe("two processes that pop one group", () => {
  it("get each message once", async () => {
    await using two = await openTwo();
    const bodies = Array.from({ length: 60 }, (_, index) => `${index}`);
    await send(two.a, bodies);

    const popped = await Promise.all(
      Array.from({ length: 20 }, (_, index) => pop(index % 2 === 0 ? two.a : two.b, { maxMessages: 3 })),
    );

    expect(popped.flatMap(texts).toSorted((x, y) => Number(x) - Number(y))).toEqual(bodies);
    expect(offsetsOf(two.b)).toEqual([60]);
  });

  it("may acknowledge what the other popped, and change how long it stays invisible, once", async () => {
    await using two = await openTwo();
    await send(two.a, ["a", "b"]);
    const [a, b] = await pop(two.a);

    await acknowledge(two.b, [a]);
    await changeInvisible(two.b, b, 60_000);

    await expect(acknowledge(two.a, [a])).rejects.toMatchObject({ code: "ERR_MQ_RECEIPT_HANDLE" });
    await expect(acknowledge(two.a, [b])).rejects.toMatchObject({ code: "ERR_MQ_RECEIPT_HANDLE" });
    expect(rowsOf(two.a, "mq_pop")).toMatchObject([{ start_offset: 1, acknowledged: 0 }]);
  });

  it("move what was not acknowledged once, whoever is first", async () => {
    await using two = await openTwo();
    await send(two.a, ["a", "b", "c"]);
    await pop(two.a);

    await Promise.all([two.a.clock.advance(INVISIBLE_MS), two.b.clock.advance(INVISIBLE_MS)]);

    expect(texts(await pop(two.b)).toSorted()).toEqual(["a", "b", "c"]);
    expect([rowsOf(two.a, "mq_pop").length, await pop(two.a)]).toEqual([1, []]);
  });

  it("move what the other one popped, when that one is gone", async () => {
    await using two = await openTwo();
    await send(two.a, ["a"]);
    // It has seen the other's commit when it stores something.
    await pop(two.a);
    await send(two.b, ["b"]);

    await two.b.clock.advance(INVISIBLE_MS);

    expect(texts(await pop(two.b)).toSorted()).toEqual(["a", "b"]);
  });

  it("wake each other's pops with a message, and with one that is visible again", async () => {
    await using two = await openTwo();
    const got: unknown[] = [];
    for (let count = 0; count < 2; count += 1)
      void popping(two.b, { awaitMs: 60_000, maxMessages: 1 }).popped.then((messages) => got.push(texts(messages)));
    await two.b.clock.settle();

    await send(two.a, ["a"]);
    await two.advance(500);
    const first = [...got];
    await two.advance(INVISIBLE_MS);

    expect([first, got]).toEqual([[["a"]], [["a"], ["a"]]]);
  });

  it("wake all that another's batch has messages for, one after the other", async () => {
    await using two = await openTwo();
    const got: unknown[] = [];
    for (let count = 0; count < 3; count += 1)
      void popping(two.b, { awaitMs: 60_000, maxMessages: 1 }).popped.then((messages) => got.push(texts(messages)));
    await two.b.clock.settle();

    await send(two.a, ["a", "b", "c"]);
    await two.advance(500);

    expect(got).toEqual([["a"], ["b"], ["c"]]);
  });
});

describe("two processes that pop one orderly group", () => {
  it("block a queue for each other, and one frees it for the other", async () => {
    await using two = await openTwo({ consumeMessageOrderly: true });
    await send(two.a, ["a", "b"]);
    const popped = await pop(two.a, { maxMessages: 1 });
    const got: unknown[] = [];
    void popping(two.b, { awaitMs: 20_000 }).popped.then((messages) => got.push(texts(messages)));
    await two.advance(500);
    const before = [...got];

    await acknowledge(two.a, popped);
    await two.advance(500);

    expect([before, got]).toEqual([[], [["b"]]]);
  });

  it("know from each other when it is free: as it was taken, and as that was changed", async () => {
    await using two = await openTwo({ consumeMessageOrderly: true });
    const got: unknown[] = [];
    for (const who of ["first", "second"])
      void popping(two.b, { awaitMs: 60_000, invisibleMs: 10_000 }).popped.then((messages) =>
        got.push([who, messages[0]?.deliveryAttempt]),
      );
    await two.advance(500);

    await send(two.a, ["a"]);
    const [a] = await pop(two.a);
    await two.advance(1_000);
    await changeInvisible(two.a, a, 5_000);
    await two.advance(4_500);
    const before = [...got];
    await two.advance(1_000);

    expect([before, got]).toEqual([[], [["first", 2]]]);
    await two.advance(10_000);
    expect(got[1]).toEqual(["second", 3]);
  });
});
