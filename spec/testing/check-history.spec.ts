import { describe, expect, it } from "vitest";
import { checkHistory, type HistoryEvent, type HistoryRules } from "../../lib/testing/index.js";
import { consumed, delivered, happened, inGroup, stored } from "./made-history.js";

/** One that has a problem, its neighbour that has none, and the problem. */
type Case = readonly [
  what: string,
  faulty: readonly HistoryEvent[],
  sound: readonly HistoryEvent[],
  problem: string,
  rules?: HistoryRules,
];

function check(cases: readonly Case[]): void {
  for (const [what, faulty, sound, problem, rules] of cases) {
    it(what, () => {
      expect(checkHistory(faulty, rules)).toEqual([problem]);
      expect(checkHistory(sound, rules)).toEqual([]);
    });
  }
}

const m1 = "message m1 (orders, queue 0, offset 1)";
/** The group takes part in the topic. */
const known = [stored(1, "m0"), delivered(2, "m0", "c1"), consumed(3, "m0", "c1")];
const failed = [stored(1, "m1"), delivered(2, "m1", "c1"), inGroup(3, "retried", "m1", "c1")];
const buried = [...failed, delivered(4, "m1", "c1", 2), inGroup(5, "dead-lettered", "m1", "c1", 2)];
const half = happened(1, "half", "m1");

describe("checkHistory finds a lost message", () => {
  check([
    [
      "when a group that takes part never got it",
      [...known, stored(4, "m1")],
      [...known, stored(4, "m1"), delivered(5, "m1", "c1"), consumed(6, "m1", "c1")],
      `lost: ${m1}, stored at 4, was never delivered to group billing`,
    ],
    [
      "when it is still in hand",
      [stored(1, "m1"), delivered(2, "m1", "c1")],
      [stored(1, "m1"), delivered(2, "m1", "c1"), inGroup(3, "dead-lettered", "m1", "c1")],
      `lost: ${m1}, stored at 1, was never consumed by group billing: it was delivered last to client c1 at 2, attempt 1`,
    ],
    [
      "when its retry never came",
      failed,
      [...failed, delivered(4, "m1", "c2", 2), consumed(5, "m1", "c2", 2)],
      `lost: ${m1}, stored at 1, was never consumed by group billing: it was put off at 3`,
    ],
    [
      "when one of two groups did without it",
      [...known, stored(4, "m1"), inGroup(5, "consumed", "m1", "c9", 1, { group: "audit" })],
      [...known, inGroup(3, "consumed", "m0", "c9", 1, { group: "audit" })],
      `lost: ${m1}, stored at 4, was never delivered to group billing`,
      { isFor: (message, group) => message.messageId === "m1" || group === "billing" },
    ],
    [
      "when a client of a broadcasting group did without it",
      [...known, delivered(4, "m0", "c2")],
      [...known, delivered(4, "m0", "c2"), consumed(5, "m0", "c2")],
      "lost: message m0 (orders, queue 0, offset 0), stored at 1, was never consumed by client c2 of group billing: it was delivered last to client c2 at 4, attempt 1",
      { broadcasting: ["billing"] },
    ],
    [
      "when its transaction was committed",
      [...known, happened(4, "half", "m1"), happened(5, "committed", "m1")],
      [...known, happened(4, "half", "m1"), happened(5, "checked", "m1"), happened(6, "rolled-back", "m1")],
      `lost: ${m1}, committed at 5, was never delivered to group billing`,
    ],
    [
      "unless it has expired for all",
      [...known, stored(4, "m1"), happened(5, "expired", "m2")],
      [...known, stored(4, "m1"), happened(5, "expired", "m1")],
      `lost: ${m1}, stored at 4, was never delivered to group billing`,
    ],
    [
      "unless it has expired for the group",
      [...known, stored(4, "m1"), inGroup(5, "expired", "m1", "c1", 1, { group: "audit" })],
      [...known, stored(4, "m1"), inGroup(5, "expired", "m1", "c1")],
      `lost: ${m1}, stored at 4, was never delivered to group billing`,
      { isFor: (_message, group) => group === "billing" },
    ],
  ]);

  it("but none where nobody takes part", () => {
    expect(checkHistory([stored(1, "m1")])).toEqual([]);
  });
});

describe("checkHistory finds a duplicated message", () => {
  const again = [...known, delivered(4, "m0", "c1"), consumed(5, "m0", "c1")];
  const m0 = "message m0 (orders, queue 0, offset 0)";
  check([
    [
      "that is delivered after it was consumed",
      again,
      known,
      `duplicated: ${m0} was delivered again to client c1 at 4, attempt 1, after group billing had consumed it at 3`,
      { duplicates: "forbidden" },
    ],
    [
      "that is consumed twice",
      [...known, consumed(4, "m0", "c2")],
      [...known, inGroup(4, "consumed", "m0", "c2", 1, { group: "audit" })],
      `duplicated: ${m0} was consumed again at 4, after group billing had consumed it at 3`,
      { duplicates: "forbidden" },
    ],
    [
      "within one client of a broadcasting group",
      again,
      [...known, delivered(4, "m0", "c2"), consumed(5, "m0", "c2")],
      `duplicated: ${m0} was delivered again to client c1 at 4, attempt 1, after client c1 of group billing had consumed it at 3`,
      { duplicates: "forbidden", broadcasting: ["billing"] },
    ],
  ]);

  it.each([
    [1, false],
    [2, true],
    [4, true],
    [5, false],
  ])(
    "unless that is excused and the client that consumed it was gone after it got it, such as at %i",
    (at, isExcused) => {
      const rules: HistoryRules = { duplicates: "forbidden", gone: [{ clientId: "c1", at }] };

      expect(checkHistory(again, { ...rules, excuseGone: true })).toHaveLength(isExcused ? 0 : 1);
      expect(checkHistory(again, rules)).toHaveLength(1);
    },
  );

  it("by the client that consumed it last", () => {
    const thrice = [...known, delivered(4, "m0", "c2"), consumed(5, "m0", "c2"), delivered(7, "m0", "c3")];
    const problemsWhenGone = (clientId: string): readonly string[] => {
      const gone = [
        { clientId: "c1", at: 4 },
        { clientId, at: 6 },
      ];
      return checkHistory(thrice, { duplicates: "forbidden", excuseGone: true, gone });
    };

    expect(problemsWhenGone("c1")).toHaveLength(1);
    expect(problemsWhenGone("c2")).toEqual([]);
  });

  it("unless its client was gone while it had it, and somebody else got it before it said that it consumed it", () => {
    const both = [stored(1, "m0"), delivered(2, "m0", "c1"), delivered(4, "m0", "c2")];
    const history = [...both, consumed(5, "m0", "c1"), consumed(6, "m0", "c2")];
    const rules: HistoryRules = { duplicates: "forbidden", gone: [{ clientId: "c1", at: 3 }] };

    expect(checkHistory(history, { ...rules, excuseGone: true })).toEqual([]);
    expect(checkHistory(history, rules)).toHaveLength(1);
  });

  it("unless its client was gone while it had it, and says so only after somebody else has consumed it", () => {
    const both = [stored(1, "m0"), delivered(2, "m0", "c1"), delivered(4, "m0", "c2")];
    const history = [...both, consumed(5, "m0", "c2"), consumed(6, "m0", "c1")];
    const problems = (at: number): readonly string[] =>
      checkHistory(history, { duplicates: "forbidden", excuseGone: true, gone: [{ clientId: "c1", at }] });

    expect(problems(3)).toEqual([]);
    expect(problems(1)).toContainEqual(expect.stringMatching(/^duplicated: .* was consumed again at 6/));
  });

  it("unless its client was gone while it had it, got it again, and says of both that it consumed them", () => {
    const both = [stored(1, "m0"), delivered(2, "m0", "c1"), delivered(4, "m0", "c1")];
    const history = [...both, consumed(5, "m0", "c1"), consumed(6, "m0", "c1")];
    const problems = (at: number): readonly string[] =>
      checkHistory(history, { duplicates: "forbidden", excuseGone: true, gone: [{ clientId: "c1", at }] });

    expect(problems(3)).toEqual([]);
    expect(problems(7)).toHaveLength(1);
  });

  it("only where that is forbidden", () => {
    expect(checkHistory(again)).toEqual([]);
    expect(checkHistory(again, { duplicates: "allowed" })).toEqual([]);
  });
});

describe("checkHistory finds a reordered message", () => {
  const two = [stored(1, "m0"), stored(1, "m1")];
  const first = [delivered(2, "m0", "c1"), consumed(3, "m0", "c1")];
  const second = [delivered(4, "m1", "c1"), consumed(5, "m1", "c1")];
  const rules: HistoryRules = { ordered: ["orders"] };
  check([
    [
      "that comes after a higher offset",
      [...two, ...second, ...first],
      [...two, ...first, ...second],
      "reordered: message m0 (orders, queue 0, offset 0) was delivered to group billing to client c1 at 2, attempt 1, after offset 1 was, to client c1 at 4, attempt 1",
      rules,
    ],
    [
      "that comes while a lower offset is in hand",
      [...two, delivered(2, "m0", "c1"), delivered(3, "m1", "c1"), consumed(4, "m0", "c1"), consumed(5, "m1", "c1")],
      [...two, delivered(2, "m0", "c1"), inGroup(3, "dead-lettered", "m0", "c1"), ...second],
      `reordered: ${m1} was delivered to group billing to client c1 at 3, attempt 1, while offset 0, delivered to client c1 at 2, attempt 1, was not done`,
      rules,
    ],
    [
      "that comes while a lower offset is put off",
      [
        ...[...two, delivered(2, "m0", "c1"), inGroup(3, "retried", "m0", "c1"), ...second],
        ...[delivered(6, "m0", "c1", 2), consumed(7, "m0", "c1", 2)],
      ],
      [
        ...[...two, delivered(2, "m0", "c1"), inGroup(3, "retried", "m0", "c1")],
        ...[delivered(3, "m0", "c1", 2), consumed(3, "m0", "c1", 2), ...second],
      ],
      `reordered: ${m1} was delivered to group billing to client c1 at 4, attempt 1, while offset 0, delivered to client c1 at 2, attempt 1, was not done`,
      rules,
    ],
    [
      "that comes while a lower one is delivered once more",
      [...two, ...first, delivered(3, "m0", "c1"), ...second, consumed(6, "m0", "c1")],
      [...two, ...first, ...second, delivered(6, "m0", "c1"), consumed(6, "m0", "c1"), ...second],
      `reordered: ${m1} was delivered to group billing to client c1 at 4, attempt 1, while offset 0, delivered to client c1 at 3, attempt 1, was not done`,
      rules,
    ],
  ]);

  it("only within one queue, and in a topic that is named", () => {
    const other = stored(1, "m1", { queueId: 1 });
    expect(checkHistory([stored(1, "m0"), other, ...second, ...first], rules)).toEqual([]);
    expect(checkHistory([...two, ...second, ...first], { ordered: ["invoices"] })).toEqual([]);
  });

  it("by where it was sent to, not by where its retry lies", () => {
    const retry = inGroup(4, "delivered", "m1", "c1", 2, { queueOffset: 0 });
    const history = [...known, ...failed, retry, consumed(5, "m1", "c1", 2), stored(6, "m2")];

    expect(checkHistory([...history, delivered(7, "m2", "c1"), consumed(8, "m2", "c1")], rules)).toEqual([]);
  });
});

describe("checkHistory finds a message that comes too early", () => {
  const taken = [delivered(2, "m1", "c1"), consumed(3, "m1", "c1")];
  const retry = [delivered(6, "m1", "c1", 2), consumed(7, "m1", "c1", 2)];
  check([
    [
      "before it is stored",
      [...taken, stored(4, "m1")],
      [stored(1, "m1"), ...taken],
      `early: ${m1} was delivered to client c1 at 2, attempt 1, before it was stored at 4`,
    ],
    [
      "before its transaction is committed",
      [half, ...taken, happened(4, "committed", "m1"), stored(4, "m1")],
      [half, happened(1, "committed", "m1"), ...taken],
      `early: ${m1} was delivered to group billing to client c1 at 2, attempt 1, before its transaction of 1 was committed`,
    ],
    [
      "before the attempt ahead of it was put off",
      [stored(1, "m1"), delivered(2, "m1", "c1"), ...retry, inGroup(8, "retried", "m1", "c1")],
      [...failed, ...retry],
      `early: ${m1} was delivered to group billing to client c1 at 6, attempt 2, before attempt 1 was put off at 8`,
    ],
    [
      "before the time that it was put off to",
      [...failed.slice(0, 2), inGroup(3, "retried", "m1", "c1", 1, { dueAt: 7 }), ...retry],
      [...failed.slice(0, 2), inGroup(3, "retried", "m1", "c1", 1, { dueAt: 6 }), ...retry],
      `early: ${m1} was delivered to group billing to client c1 at 6, attempt 2, though it was due at 7`,
    ],
    [
      "before the time that it was sent for",
      [stored(1, "m1", { dueAt: 3 }), ...taken],
      [stored(1, "m1", { dueAt: 2 }), ...taken],
      `early: ${m1} was delivered to group billing to client c1 at 2, attempt 1, though it was due at 3`,
    ],
  ]);

  it("but says nothing where it cannot know", () => {
    expect(checkHistory(taken)).toEqual([]);
    expect(checkHistory([stored(1, "m1"), delivered(2, "m1", "c1"), ...retry])).toEqual([]);
  });
});

describe("checkHistory finds a message that comes too late", () => {
  const put = [stored(1, "m1"), delivered(2, "m1", "c1"), inGroup(3, "retried", "m1", "c1", 1, { dueAt: 10 })];
  check([
    [
      "after the time that it was put off to",
      [...put, delivered(16, "m1", "c1", 2), consumed(17, "m1", "c1", 2)],
      [...put, delivered(15, "m1", "c1", 2), delivered(99, "m1", "c1", 2), consumed(99, "m1", "c1", 2)],
      `late: ${m1} was delivered to group billing to client c1 at 16, attempt 2, though it was due at 10`,
      { lateAfterMs: 5 },
    ],
  ]);
});

describe("checkHistory finds a message that is resurrected", () => {
  check([
    [
      "after it was dead-lettered",
      [...buried, delivered(6, "m1", "c2", 3)],
      buried,
      `resurrected: ${m1} was delivered to group billing to client c2 at 6, attempt 3, after it was dead-lettered at 5`,
    ],
    [
      "after that attempt was put off",
      [...failed, delivered(4, "m1", "c2"), consumed(5, "m1", "c2")],
      [...failed, delivered(4, "m1", "c2", 2), consumed(5, "m1", "c2", 2)],
      `resurrected: ${m1} was delivered to group billing to client c2 at 4, attempt 1, after it was put off after attempt 1 at 3`,
    ],
    [
      "after it was rolled back",
      [half, happened(2, "rolled-back", "m1"), delivered(3, "m1", "c1"), consumed(4, "m1", "c1")],
      [half, happened(2, "committed", "m1"), delivered(3, "m1", "c1"), consumed(4, "m1", "c1")],
      `resurrected: ${m1} was delivered to group billing to client c1 at 3, attempt 1, after it was rolled back at 2`,
    ],
    [
      "after it expired",
      [...known, happened(4, "expired", "m0"), delivered(5, "m0", "c1")],
      [...known, delivered(4, "m0", "c1"), happened(5, "expired", "m0")],
      "resurrected: message m0 (orders, queue 0, offset 0) was delivered to group billing to client c1 at 5, attempt 1, after it was expired at 4",
    ],
  ]);
});

describe("checkHistory of a topic that is consumed in order", () => {
  it("lets who takes a queue over count the attempts of its messages anew, and only from the first one on", () => {
    const rules: HistoryRules = { ordered: ["orders"] };
    const twice = [...failed, delivered(4, "m1", "c1", 2), inGroup(5, "retried", "m1", "c1", 2)];

    const anew = [...twice, delivered(6, "m1", "c2"), consumed(7, "m1", "c2")];
    const again = [...twice, delivered(6, "m1", "c2", 2), consumed(7, "m1", "c2", 2)];

    expect(checkHistory(anew, rules)).toEqual([]);
    expect(checkHistory(again, rules)).toHaveLength(1);
  });
});

describe("checkHistory finds a message that two members have", () => {
  const held = [stored(1, "m1"), delivered(2, "m1", "c1")];
  const taken = [delivered(4, "m1", "c2"), consumed(5, "m1", "c2")];
  const problem = `double-owned: ${m1} was delivered within group billing to client c2 at 4, attempt 1, while client c1 had it in hand since 2`;
  check([["while it is in hand", [...held, ...taken], [...held, consumed(3, "m1", "c1"), ...taken], problem]]);

  it.each([
    [1, [problem]],
    [2, []],
    [4, []],
    [5, [problem]],
  ])("unless the first one went in between, such as at %i", (at, problems) => {
    expect(checkHistory([...held, ...taken], { gone: [{ clientId: "c1", at }] })).toEqual(problems);
    expect(checkHistory([...held, ...taken], { gone: [{ clientId: "c3", at: 3 }] })).toEqual([problem]);
  });

  it("but none in a broadcasting group, nor in two groups", () => {
    const both = [...held, ...taken, consumed(6, "m1", "c1")];

    expect(checkHistory(both, { broadcasting: ["billing"] })).toEqual([]);
    expect(
      checkHistory([...both.slice(0, 2), ...taken.map((event) => ({ ...event, group: "audit" })), ...both.slice(4)]),
    ).toEqual([]);
  });
});

describe("checkHistory finds a stored offset that passed a message", () => {
  const offset = { group: "billing", topic: "orders", queueId: 0, nextOffset: 2 };
  const history = [...known, stored(4, "m1"), delivered(5, "m1", "c1"), consumed(8, "m1", "c1")];
  const passed = `passed: at 7 the offset of group billing was beyond ${m1}, which was to be acknowledged first and was only at 8`;

  it.each<[string, HistoryRules["offsets"], readonly string[]]>([
    ["before it was consumed", [{ ...offset, at: 7 }], [passed]],
    ["not when it was consumed by then", [{ ...offset, at: 8 }], []],
    ["not when it stopped at it", [{ ...offset, nextOffset: 1, at: 7 }], []],
    [
      "the first time that it did",
      [
        { ...offset, at: 9 },
        { ...offset, nextOffset: 5, at: 7 },
        { ...offset, at: 8 },
      ],
      [passed],
    ],
    ["not in another queue", [{ ...offset, queueId: 1, at: 7 }], []],
    ["not in another topic", [{ ...offset, topic: "invoices", at: 7 }], []],
  ])("%s", (_when, offsets, problems) => {
    expect(checkHistory(history, { offsets })).toEqual(problems);
  });

  it("though its group never got it", () => {
    const [problem] = checkHistory([stored(4, "m1")], { offsets: [{ ...offset, at: 7 }] });

    expect(problem).toBe(
      `passed: at 7 the offset of group billing was beyond ${m1}, which was to be acknowledged first and never was`,
    );
  });

  it("of one client of a broadcasting group", () => {
    const rules = { broadcasting: ["billing"], offsets: [{ ...offset, clientId: "c1", at: 7 }] };

    expect(checkHistory(history, rules)).toEqual([passed.replace("group billing", "client c1 of group billing")]);
    expect(checkHistory(history, { ...rules, offsets: [{ ...offset, clientId: "c1", at: 8 }] })).toEqual([]);
  });

  it("but what was put off, dead-lettered or expired is acknowledged", () => {
    const offsets = [{ ...offset, at: 3 }];
    const put = [...failed, delivered(5, "m1", "c1", 2), consumed(6, "m1", "c1", 2)];
    const dead = [...failed.slice(0, 2), inGroup(3, "dead-lettered", "m1", "c1")];
    const gone = [stored(1, "m1"), happened(3, "expired", "m1")];

    for (const sound of [put, dead, gone]) expect(checkHistory(sound, { offsets })).toEqual([]);
  });
});

describe("checkHistory", () => {
  it.each<[object, string]>([
    [{ order: ["orders"] }, 'HistoryRules has no option "order"'],
    [{ ordered: "orders" }, 'ordered must be an array, got "orders"'],
    [{ duplicates: true }, 'duplicates must be "allowed" or "forbidden", got true'],
    [{ excuseGone: "yes" }, 'excuseGone must be true or false, got "yes"'],
    [{ isFor: "all" }, 'isFor must be a function, got "all"'],
    [{ lateAfterMs: -1 }, "lateAfterMs must be a number of milliseconds, at least 0, got -1"],
  ])("refuses %j", (rules, problem) => {
    expect(() => checkHistory([], rules as HistoryRules)).toThrow(problem);
  });

  it.each([[undefined], [{ history: [] }]])("refuses %j, which is no history", (history) => {
    expect(() => checkHistory(history as never)).toThrow(/^history must be an array, got (undefined|an object)$/);
  });

  it("manages 1,000,000 events", () => {
    const history: HistoryEvent[] = [];
    for (let index = 0; index < 250_000; index += 1) {
      const name = `m${index}`;
      history.push(stored(index, name), delivered(index, name, "c1"), consumed(index, name, "c1"));
      history.push(inGroup(index, "consumed", name, "c1", 1, { group: "audit" }));
    }
    const offsets = history.map(({ at, queueOffset }) => ({
      group: "billing",
      topic: "orders",
      queueId: 0,
      nextOffset: queueOffset,
      at,
    }));

    const problems = checkHistory(history, { ordered: ["orders"], duplicates: "forbidden", offsets });

    expect(problems).toEqual([]);
  });
});
