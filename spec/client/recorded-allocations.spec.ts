import { describe, expect, it } from "vitest";
import {
  type AllocateMessageQueueStrategy,
  allocateAveragely,
  allocateAveragelyByCircle,
  allocateByConfig,
  allocateByMachineRoom,
  allocateConsistentHash,
  type MessageQueue,
} from "../../lib/index.js";
import { loadFacts, type RecordedError } from "../support/facts.js";
import { thrown } from "../support/thrown.js";
import { clientIdsOf, queuesOf, sharesOf } from "./allocation-inputs.js";

interface RecordedShares {
  readonly queues: number;
  readonly consumers: number;
  readonly assigned: readonly (readonly number[])[];
}

const facts = loadFacts("allocation");
const STRATEGIES: Readonly<Record<string, AllocateMessageQueueStrategy>> = {
  avg: allocateAveragely,
  avg_by_circle: allocateAveragelyByCircle,
  consistent_hash: allocateConsistentHash(),
};
const strategies = Object.entries(STRATEGIES);
const checking: readonly [string, AllocateMessageQueueStrategy][] = [
  ...strategies,
  ["machine_room", allocateByMachineRoom(new Set(["idc1"]))],
];

const named = ({ brokerName, queueId }: MessageQueue): string => `${brokerName}:${queueId}`;

describe.each(strategies)("the strategy %s", (fact, strategy) => {
  it.each(facts.observed<readonly RecordedShares[]>(fact))(
    "gives $consumers members of $queues queues the recorded ones",
    ({ queues, consumers, assigned }) => {
      const shares = sharesOf(strategy, queuesOf(queues), clientIdsOf(consumers));

      expect(shares.map((share) => share.map(({ queueId }) => queueId))).toEqual(assigned);
    },
  );

  it("shares queues of two brokers as recorded in two-brokers", () => {
    const recorded =
      facts.observed<readonly { readonly strategy: string; readonly assigned: readonly (readonly string[])[] }[]>(
        "two-brokers",
      );
    const queues = [...queuesOf(3, "broker-a"), ...queuesOf(3, "broker-b")];

    const shares = sharesOf(strategy, queues, ["c1", "c2", "c3", "c4"]);

    expect(shares.map((share) => share.map(named))).toEqual(
      recorded.find((row) => row.strategy === fact.toUpperCase())?.assigned,
    );
  });
});

describe("allocateByMachineRoom", () => {
  it("shares the queues of its rooms as recorded in machine-room", () => {
    const recorded =
      facts.observed<readonly { readonly consumer: string; readonly assigned: readonly string[] }[]>("machine-room");
    const queues = ["idc1@broker-a", "idc2@broker-b", "plain"].flatMap((brokerName) => queuesOf(5, brokerName));
    const members = recorded.map(({ consumer }) => consumer);

    const shares = sharesOf(allocateByMachineRoom(new Set(["idc1"])), queues, members);

    expect(shares.map((share) => share.map(named))).toEqual(recorded.map(({ assigned }) => assigned));
  });
});

describe("allocateByConfig", () => {
  it("gives the queues it was given, real or not, as recorded in config", () => {
    const recorded = facts.observed<{ readonly result: readonly number[] }>("config").result;
    const strategy = allocateByConfig(recorded.map((queueId) => ({ topic: "T", brokerName: "broker-a", queueId })));

    const share = strategy("g", "c1", queuesOf(4), ["c1"]);

    expect(share.map(({ queueId }) => queueId)).toEqual(recorded);
  });
});

describe.each(checking)("bad-input of the strategy %s", (_name, strategy) => {
  const badInput = new Map(
    facts
      .observed<
        readonly {
          readonly case: string;
          readonly then: { readonly error?: RecordedError; readonly result?: unknown };
        }[]
      >("bad-input")
      .map((row) => [row.case, row.then]),
  );

  it.each<[string, string, readonly MessageQueue[], readonly string[]]>([
    ["blank cid", "", queuesOf(1), ["c1"]],
    ["null mqAll", "c1", null as unknown as readonly MessageQueue[], ["c1"]],
    ["empty mqAll", "c1", [], ["c1"]],
    ["empty cidAll", "c1", queuesOf(1), []],
  ])("is refused as recorded: %s", (recorded, clientId, queues, members) => {
    expect(badInput.get(recorded)?.error?.exception).toBe("IllegalArgumentException");

    expect(thrown(() => strategy("g", clientId, queues, members)).code).toBe("ERR_MQ_INVALID_ARGUMENT");
  });

  it("gives nothing to a client that is no member", () => {
    const shares = [1, 2, 3].map((count) => strategy("g", "stranger", queuesOf(4), clientIdsOf(count)));

    expect(shares.map((share) => `[${share.join()}]`)).toEqual(
      Array(3).fill(badInput.get("cid not in cidAll")?.result),
    );
  });

  it("gives a client that is listed twice what RocketMQ does", () => {
    const share = strategy("g", "c1", queuesOf(4, "idc1@broker-a"), ["c1", "c1"]);

    // Consistent hashing alone looks for the owner's name, and both places have the same.
    const isByName = strategy === STRATEGIES["consistent_hash"];
    expect(share).toHaveLength(isByName ? 4 : Number(badInput.get("cid twice in cidAll, 4 queues")?.result));
  });
});
