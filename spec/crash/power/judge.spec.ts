import { describe, expect, it } from "vitest";
import type { Place } from "../../support/live-copies.js";
import { judge, type Mark } from "./judge.mjs";

const SIZE = 20;

const begun = (unit: string, ...keys: readonly string[]): Mark => {
  return { kind: "begun", unit, messages: keys.map((key) => ({ key, size: SIZE })), rows: [] };
};
const stored = (unit: string): Mark => ({ kind: "stored", unit });
const returned = (key: string, result: "success" | "retry"): Mark => ({ kind: "returned", key, result });
const CLOSED: Mark = { kind: "closed" };

/** Messages a to d, of which b and c are a batch; what became of d the application was not told. */
const SENT = [begun("A", "a"), stored("A"), begun("BC", "b", "c"), stored("BC"), begun("D", "d")];

interface Found {
  readonly keys: readonly string[];
  readonly rows?: readonly string[];
  readonly halves?: readonly string[];
  readonly done?: readonly string[];
  readonly copies?: Readonly<Record<string, readonly Place[]>>;
  /** After which event the store was like this. */
  readonly commit?: number;
}

function judged(promise: "full" | "normal", marks: readonly Mark[], found: Found): readonly string[] {
  const content = {
    messages: found.keys.map((key, queueOffset) => ({ key, size: SIZE, isWhole: true, queueId: 0, queueOffset })),
    copies: found.copies === undefined ? undefined : new Map(Object.entries(found.copies)),
    rows: found.rows ?? [],
    halves: found.halves ?? [],
    done: found.done ?? [],
  };
  const told = marks.map((mark, index) => ({ mark, after: index + 1 }));
  const digests = Array.from({ length: marks.length + 1 }, (_, point) => `${point}`);
  const digest = `${found.commit ?? marks.length}`;
  return judge({ point: marks.length, promise, told, digests }, { digest, content });
}

describe("the judge of what a power cut left", () => {
  it.each([["full" as const], ["normal" as const]])("(%s) accepts everything that was sent", (promise) => {
    expect(judged(promise, SENT, { keys: ["a", "b", "c", "d"] })).toEqual([]);
  });

  it("(full) accepts that a send whose outcome nobody was told is missing, and no other", () => {
    expect(judged("full", SENT, { keys: ["a", "b", "c"] })).toEqual([]);
    expect(judged("full", SENT, { keys: ["a"] })).toEqual(["unit BC was stored and is missing"]);
  });

  it("(normal) accepts that the last sends are missing, and no others", () => {
    expect(judged("normal", SENT, { keys: ["a"], commit: 2 })).toEqual([]);
    expect(judged("normal", SENT, { keys: [], commit: 0 })).toEqual([]);
    expect(judged("normal", SENT, { keys: ["b", "c"] })).toEqual([
      "unit BC is there, and A, stored before it, is missing",
    ]);
    expect(judged("normal", SENT, { keys: ["a", "d"] })).toEqual([
      "unit D is there, and BC, stored before it, is missing",
    ]);
  });

  it("(full) finds a message that was acknowledged and comes again", () => {
    const marks: readonly Mark[] = [...SENT, returned("a", "success"), { kind: "acknowledged", key: "a" }];
    const found = { keys: ["a", "b", "c"], copies: { a: ["popped"], b: ["popped"], c: ["queue"] } } as const;

    expect(judged("full", marks, found)).toEqual(["message a was acknowledged and comes again"]);
    expect(judged("normal", marks, found)).toEqual([]);
    expect(judged("full", marks.slice(0, -1), found)).toEqual([]);
  });

  it("finds part of a batch", () => {
    expect(judged("normal", SENT, { keys: ["a", "b"] })).toEqual(["unit BC is there in part: 1 of 2"]);
  });

  it("finds a row without its message, and one that was never written", () => {
    const marks: readonly Mark[] = [{ kind: "begun", unit: "A", messages: [{ key: "a", size: SIZE }], rows: ["a"] }];

    expect(judged("normal", marks, { keys: [], rows: ["a"] })).toEqual(["unit A is there in part: 1 of 2"]);
    expect(judged("normal", marks, { keys: [], rows: ["x"] })).toEqual(['row "x" was never written']);
  });

  it.each<[string, Found, readonly string[]]>([
    ["nothing", { keys: [] }, []],
    ["a half message", { keys: [], halves: ["a"] }, []],
    ["a half message with its effect", { keys: [], halves: ["a"], rows: ["a"] }, []],
    ["a message with its effect", { keys: ["a"], rows: ["a"] }, []],
    ["an effect alone", { keys: [], rows: ["a"] }, ["the effect of a is there, and its message never will be"]],
    ["a message alone", { keys: ["a"] }, ["message a is there without its effect"]],
    ["a message twice", { keys: ["a"], rows: ["a"], halves: ["a"] }, ["message a is there, and is asked for again"]],
    ["somebody else's half message", { keys: [], halves: ["x"] }, ['half message "x" was never sent']],
  ])("judges what is left of a transaction with an effect of its own: %s", (_what, found, problems) => {
    const messages = [{ key: "a", size: SIZE }];
    const marks: readonly Mark[] = [{ kind: "begun", unit: "A", messages, rows: [], effects: ["a"] }];

    expect(judged("normal", marks, found)).toEqual(problems);
  });

  it.each<[string, Found, readonly string[]]>([
    ["nothing", { keys: ["a"] }, []],
    ["effect and key", { keys: ["a"], rows: ["2"], done: ["readers a"] }, []],
    ["an effect alone", { keys: ["a"], rows: ["2"] }, ["the effect of a is there without its key"]],
    ["a key alone", { keys: ["a"], done: ["readers a"] }, ["key a is done without its effect"]],
    ["two effects", { keys: ["a"], rows: ["1", "2"], done: ["readers a"] }, ["the effect of a is there 2 times"]],
    ["neither", { keys: ["a"], copies: { a: [] } }, ["message a is acknowledged without its effect"]],
  ])("judges what is left of a message whose effect is made once, tried twice: %s", (_what, found, problems) => {
    const effect = (unit: string): Mark => ({ kind: "begun", unit, messages: [], rows: [unit], of: "a" });
    const marks = [begun("A", "a"), effect("1"), returned("a", "retry"), effect("2"), returned("a", "success")];

    expect(judged("normal", marks, found)).toEqual(problems);
  });

  it("finds a message that is not acknowledged with its effect, unless one before it in its queue is open or failed", () => {
    const effect = (of: string): Mark => ({ kind: "begun", unit: `${of}1`, messages: [], rows: [`${of}1`], of });
    const marks = [begun("A", "a"), begun("B", "b"), effect("a"), effect("b")];
    const failed = [...marks, returned("a", "retry")];
    const found = { keys: ["a", "b"], rows: ["a1", "b1"], done: ["readers a", "readers b"] };
    const [acknowledged, consumed] = [{ a: [], b: ["queue"] } as const, returned("a", "success")];

    expect(judged("normal", [...marks, consumed], { ...found, copies: acknowledged })).toEqual([
      "message b comes again, though its effect is there",
    ]);
    expect(judged("normal", [...failed, consumed], { ...found, copies: acknowledged })).toEqual([]);
    const open = {
      keys: ["a", "b"],
      rows: ["b1"],
      done: ["readers b"],
      copies: { a: ["queue"], b: ["queue"] },
    } as const;
    expect(judged("normal", marks, open)).toEqual([]);
  });

  it("(full) finds a handler that was successful and may run again", () => {
    const marks: readonly Mark[] = [begun("A", "a"), { kind: "completed", key: "a" }];

    expect(judged("full", marks, { keys: ["a"], done: ["handlers a"] })).toEqual([]);
    expect(judged("full", marks, { keys: ["a"] })).toEqual(["key a was completed and is not done"]);
    expect(judged("normal", marks, { keys: ["a"] })).toEqual([]);
  });

  it("(full) finds a message whose transaction was rolled back", () => {
    const messages = [{ key: "a", size: SIZE }];
    const marks: readonly Mark[] = [
      { kind: "begun", unit: "A", messages, rows: [], effects: ["a"] },
      { kind: "undone", unit: "A" },
    ];

    expect(judged("full", marks, { keys: [] })).toEqual([]);
    expect(judged("full", marks, { keys: [], halves: ["a"] })).toEqual(["unit A was rolled back and is there"]);
    expect(judged("normal", marks, { keys: [], halves: ["a"] })).toEqual([]);
  });

  it("finds messages that were never sent, or are there twice", () => {
    expect(judged("full", SENT, { keys: ["a", "b", "c", "x", "a"] })).toEqual([
      'message "x" was never sent',
      "message a is there twice",
    ]);
  });

  it("finds a message of which a part is missing or wrong", () => {
    const observe = (size: number, isWhole: boolean) => {
      const content = {
        messages: [{ key: "a", size, isWhole, queueId: 0, queueOffset: 0 }],
        copies: undefined,
        rows: [],
      };
      const told = [{ mark: begun("A", "a"), after: 1 }];
      return judge({ point: 1, promise: "full", told, digests: ["0", "1"] }, { digest: "1", content });
    };

    expect(observe(SIZE, true)).toEqual([]);
    expect(observe(SIZE, false)).toEqual(["message a is not as it was sent"]);
    expect(observe(SIZE - 1, true)).toEqual(["message a is not as it was sent"]);
  });

  it.each<[string, readonly Mark[], readonly Place[], string]>([
    ["is acknowledged before its listener returned", [], [], "was not consumed and has no live copy"],
    ["is lost when it failed", [returned("a", "retry")], [], "was not consumed and has no live copy"],
    [
      "was sent back and is still in its queue",
      [returned("a", "retry")],
      ["queue", "due"],
      "is live more than once: queue,due",
    ],
    ["is a dead letter and never failed", [returned("a", "success")], ["dead"], "is in dead and never failed"],
    [
      "comes again after closing",
      [returned("a", "success"), CLOSED],
      ["queue"],
      "was consumed before closing and comes again",
    ],
  ])("finds a message that %s", (_what, marks, places, problem) => {
    const all = [begun("A", "a"), stored("A"), ...marks];

    expect(judged("full", all, { keys: ["a"], copies: { a: places } })).toEqual([`message a ${problem}`]);
  });

  it("accepts that what was consumed comes again, unless the broker was closed and synchronous is full", () => {
    const consumed = [begun("A", "a"), stored("A"), returned("a", "success")];

    expect(judged("full", consumed, { keys: ["a"], copies: { a: ["queue"] } })).toEqual([]);
    expect(judged("normal", [...consumed, CLOSED], { keys: ["a"], copies: { a: ["queue"] } })).toEqual([]);
  });

  it("finds a store whose rows are those of no commit, or of one that is too old", () => {
    expect(judged("normal", SENT, { keys: ["a", "b", "c"], commit: 99 })).toEqual([
      "the store is as it was after none of its commits",
    ]);
    expect(judged("full", SENT, { keys: ["a", "b", "c"], commit: 3 })).toEqual([
      "the store is as it was after event 3, and 4 was told to be stored",
    ]);
  });
});
