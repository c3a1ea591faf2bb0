import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  createRandomSelector,
  type MessageQueueSelector,
  selectByHash,
  selectByRandom,
} from "../../lib/client/queue-selectors.js";
import type { MessageQueue } from "../../lib/message/message-queue.js";
import { seededChance } from "../../lib/time/chance.js";
import { loadFacts } from "../support/facts.js";
import { thrown } from "../support/thrown.js";

const facts = loadFacts("selectors");
const { queueCounts } = facts.steps<{ readonly queueCounts: readonly number[] }>("by-hash");
const recorded =
  facts.observed<
    readonly {
      readonly arg: string;
      readonly type: string;
      readonly hashCode: number;
      readonly queueIds: readonly number[];
    }[]
  >("by-hash");

const ARGUMENTS: Record<string, (arg: string) => string | number | bigint | boolean> = {
  Integer: Number,
  Double: Number,
  Long: BigInt,
  Boolean: (arg) => arg === "true",
};
const message = { topic: "T", body: "x" };

function queues(count: number): readonly MessageQueue[] {
  return Array.from({ length: count }, (_, queueId) => ({ topic: "T", brokerName: "broker-a", queueId }));
}

function countDraws(selector: MessageQueueSelector): readonly number[] {
  const counts = [0, 0, 0, 0];
  for (let draw = 0; draw < 4_000; draw += 1) {
    const { queueId } = selector(queues(4), message);
    counts[queueId] = (counts[queueId] ?? 0) + 1;
  }
  return counts;
}

describe("selectByHash", () => {
  it.each(recorded)("picks for the $type $arg the recorded queue of each count", ({ arg, type, queueIds }) => {
    const selector = selectByHash(ARGUMENTS[type]?.(arg) ?? arg);

    expect(queueCounts.map((count) => selector(queues(count), message).queueId)).toEqual(queueIds);
  });

  it("refuses a null argument, where RocketMQ fails with a NullPointerException", () => {
    expect(facts.error("by-hash-null-arg")?.exception).toBe("NullPointerException");
    expect(loadFacts("validation").error("selector-null-arg-by-hash")?.responseCode).toBe(-1);

    expect(thrown(() => selectByHash(null as unknown as string)).responseCode).toBe(-1);
  });

  it("throws on no queues, where RocketMQ divides by zero", () => {
    expect(facts.error("by-hash-no-queues")?.exception).toBe("ArithmeticException");

    expect(thrown(() => selectByHash("a")([], message)).code).toBe("ERR_MQ_INVALID_ARGUMENT");
  });

  it("picks one of the queues for any argument", () => {
    const argument = fc.oneof(
      fc.string(),
      fc.double(),
      fc.maxSafeInteger(),
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    );
    fc.assert(
      fc.property(argument, fc.integer({ min: 1, max: 1024 }), (arg, count) => {
        const given = queues(count);

        expect(given).toContain(selectByHash(arg)(given, message));
      }),
    );
  });
});

describe("selectByRandom", () => {
  it("spreads 4,000 draws over 4 queues as recorded", () => {
    const inRange = countDraws(selectByRandom()).every((count) => count >= 800 && count <= 1_200);

    expect({ everyQueueBetween800And1200: inRange }).toEqual(facts.observed("by-random"));
  });

  it("throws on no queues", () => {
    expect(thrown(() => selectByRandom()([], message)).code).toBe("ERR_MQ_INVALID_ARGUMENT");
  });
});

describe("createRandomSelector", () => {
  it("draws the same queues from the same seed", () => {
    const draw = (): readonly number[] => {
      const selector = createRandomSelector(seededChance(3));
      return Array.from({ length: 20 }, () => selector(queues(16), message).queueId);
    };

    expect(draw()).toEqual(draw());
    expect(new Set(draw()).size).toBeGreaterThan(5);
  });
});
