import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkHistory, type HistoryEvent } from "../../lib/testing/index.js";
import { type RandomHistory, randomHistory } from "./random-history.js";

const HISTORIES = fc.record({ seed: fc.nat(), messages: fc.integer({ min: 20, max: 80 }) });

/** Changes one thing, at the place that `pick` chooses among those where it can be done; `undefined` where there is none. */
type Fault = (random: RandomHistory, pick: <T>(candidates: readonly T[]) => T | undefined) => RandomHistory | undefined;

const is =
  (...states: readonly HistoryEvent["state"][]) =>
  ({ state }: HistoryEvent): boolean =>
    states.includes(state);

function without({ history, rules }: RandomHistory, event: HistoryEvent | undefined): RandomHistory | undefined {
  return event === undefined ? undefined : { history: history.filter((other) => other !== event), rules };
}

function withLater(
  { history, rules }: RandomHistory,
  after: HistoryEvent | undefined,
  changes: Partial<HistoryEvent>,
): RandomHistory | undefined {
  if (after === undefined) return undefined;
  const index = history.indexOf(after) + 1;
  return { history: [...history.slice(0, index), { ...after, ...changes }, ...history.slice(index)], rules };
}

function moved(
  { history, rules }: RandomHistory,
  event: HistoryEvent | undefined,
  before: HistoryEvent | undefined,
): RandomHistory | undefined {
  if (event === undefined || before === undefined) return undefined;
  const others = history.filter((other) => other !== event);
  const index = others.indexOf(before);
  return { history: [...others.slice(0, index), { ...event, at: before.at }, ...others.slice(index)], rules };
}

const isOrdered = ({ topic, group, state }: HistoryEvent): boolean =>
  topic === "orders" && group === "billing" && state === "consumed";

const FAULTS: Readonly<Record<string, Fault>> = {
  lost: (random, pick) => without(random, pick(random.history.filter(is("consumed", "dead-lettered", "expired")))),
  duplicated: (random, pick) => withLater(random, pick(random.history.filter(is("consumed"))), {}),
  resurrected: (random, pick) =>
    withLater(random, pick(random.history.filter(is("dead-lettered", "expired", "rolled-back", "retried"))), {
      state: "delivered",
    }),
  early: (random, pick) => {
    const event = pick(random.history.filter(is("stored", "committed")));
    const first = random.history.find(
      ({ state, messageId, topic }) => state === "delivered" && messageId === event?.messageId && topic === event.topic,
    );
    const index = first === undefined ? -1 : random.history.indexOf(first) + 1;
    return moved(random, event, random.history[index]);
  },
  "double-owned": (random, pick) => {
    const { history, rules } = random;
    const stays = ({ clientId, at }: HistoryEvent): boolean =>
      !rules.gone.some((departure) => departure.clientId === clientId && departure.at === at);
    const candidates = history.filter((event) => event.state === "delivered" && event.group === "billing");
    return withLater(random, pick(candidates.filter(stays)), { clientId: "b9" });
  },
  reordered: (random, pick) => {
    const event = pick(random.history.filter(isOrdered));
    if (event === undefined) return undefined;
    const isNext = (other: HistoryEvent): boolean =>
      other.state === "delivered" &&
      other.topic === "orders" &&
      other.group === "billing" &&
      other.queueId === event.queueId &&
      other.queueOffset === event.queueOffset + 1;
    const index = random.history.findIndex(isNext) + 1;
    return index === 0 ? undefined : moved(random, event, random.history[index]);
  },
  passed: (random, pick) => {
    const offset = pick(random.rules.offsets.filter(({ nextOffset }) => nextOffset > 0));
    if (offset === undefined) return undefined;
    const offsets = [...random.rules.offsets, { ...offset, at: 999 }];
    return { history: random.history, rules: { ...random.rules, offsets } };
  },
};

describe("checkHistory", () => {
  it("finds nothing in a sound history", () => {
    fc.assert(
      fc.property(HISTORIES, ({ seed, messages }) => {
        const { history, rules } = randomHistory(seed, messages);

        expect(checkHistory(history, rules)).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });

  it.each(Object.keys(FAULTS))("finds what is %s in a history that is sound but for that", (kind) => {
    const fault = FAULTS[kind] as Fault;
    let injected = 0;
    fc.assert(
      fc.property(HISTORIES, fc.nat(), ({ seed, messages }, choice) => {
        const faulty = fault(randomHistory(seed, messages), (candidates) => candidates[choice % candidates.length]);
        if (faulty === undefined) return;
        injected += 1;

        const kinds = checkHistory(faulty.history, faulty.rules).map((problem) => problem.split(":")[0]);

        expect(kinds).toContain(kind);
      }),
      { numRuns: 200 },
    );
    expect(injected).toBeGreaterThan(100);
  });
});
