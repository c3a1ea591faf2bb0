import { describe, expect, it } from "vitest";
import type { RemotingCommand } from "../../lib/wire/remoting-command.js";
import { loadFacts } from "../support/facts.js";
import { openWireBroker, type WireBroker } from "../support/wire-broker.js";

const CODES = { search: 29, max: 30, min: 31, earliest: 32 } as const;

interface Answer {
  readonly code: number;
  readonly remark: string | null;
  readonly ext: Readonly<Record<string, string>>;
}

interface SearchRow {
  readonly timestamp: string;
  readonly default: string;
  readonly LOWER: string;
  readonly UPPER: string;
}

const admin = loadFacts("admin");

async function ask(
  { client }: WireBroker,
  what: keyof typeof CODES,
  fields: Readonly<Record<string, string | number>> = {},
): Promise<Answer> {
  const all = { topic: "AdmQ", queueId: 0, timestamp: 0, ...fields };
  const asked = new Map(Object.entries(all).map(([name, value]) => [name, `${value}`] as const));
  const { code, remark, fields: ext }: RemotingCommand = await client.ask({ code: CODES[what], fields: asked });
  return { code, remark: remark ?? null, ext: Object.fromEntries(ext ?? []) };
}

/** A queue with three messages at offsets 0, 1 and 2, stored 50 ms apart; their store times. */
async function fill({ broker }: WireBroker): Promise<readonly number[]> {
  const { mq, clock } = broker;
  await mq.admin.createTopic("AdmQ", { readQueueNums: 1, writeQueueNums: 1 });
  const producer = mq.producer({ group: "shop" });
  const times: number[] = [];
  for (const body of ["a", "b", "c"]) {
    times.push(clock.now());
    await producer.send({ topic: "AdmQ", body });
    await clock.advance(50);
  }
  return times;
}

describe("the ends of a queue over the wire", () => {
  it("are answered as RocketMQ does for a queue that was never written to", async () => {
    const expected = admin.observed<Readonly<Record<string, Answer>>>("offsets-empty-queue");
    await using server = await openWireBroker();
    await server.broker.mq.admin.createTopic("AdmQ");

    for (const what of ["min", "max", "earliest"] as const)
      expect(await ask(server, what), what).toEqual(expected[what]);
    expect(await ask(server, "search")).toEqual(expected["search0"]);
    expect(await ask(server, "search", { timestamp: 4_000_000_000_000 })).toEqual(expected["searchFuture"]);
  });

  it.each([
    ["raw-min-offset-unknown-topic", "min"],
    ["raw-max-offset-unknown-topic", "max"],
    ["raw-search-offset-unknown-topic", "search"],
    ["raw-earliest-unknown-topic", "earliest"],
  ] as const)("are answered as RocketMQ does: %s", async (fact, what) => {
    await using server = await openWireBroker();

    expect(await ask(server, what, { topic: "ValNope" })).toEqual(loadFacts("validation").observed<Answer>(fact));
  });

  it("are answered as RocketMQ does for a queue with messages, and beyond its topic's queues", async () => {
    const expected = admin.observed<Readonly<Record<string, Answer>>>("offsets-written-queue");
    await using server = await openWireBroker();
    const [first] = await fill(server);

    expect(await ask(server, "min")).toEqual(expected["min"]);
    expect(await ask(server, "max")).toEqual(expected["max"]);
    expect((await ask(server, "earliest")).ext).toEqual({ timestamp: `${first}` });
    expect(await ask(server, "max", { queueId: 9 })).toEqual(expected["maxQueue9"]);
    expect(await ask(server, "min", { queueId: 9 })).toEqual(expected["minQueue9"]);
  });

  it("are found by time as RocketMQ does, on either side, in whatever case that is said", async () => {
    const rows = admin.observed<readonly SearchRow[]>("search-offset");
    await using server = await openWireBroker();
    const [first = 0, second = 0, last = 0] = await fill(server);
    const times: Readonly<Record<string, number>> = {
      ...{
        "0": 0,
        "-1": -1,
        "first - 1": first - 1,
        first,
        "first + 1": first + 1,
        second,
        last,
        "last + 1": last + 1,
      },
      "now + 100 s": server.broker.clock.now() + 100_000,
    };

    for (const { timestamp: name, default: usual, LOWER, UPPER } of rows) {
      const timestamp = times[name] as number;
      const found = async (boundaryType?: string): Promise<string | undefined> =>
        (await ask(server, "search", { timestamp, ...(boundaryType !== undefined && { boundaryType }) })).ext["offset"];
      expect([await found(), await found("LOWER"), await found("upper")], name).toEqual([usual, LOWER, UPPER]);
    }
  });

  it("cannot be asked for with what is no number", async () => {
    await using server = await openWireBroker();

    for (const [queueId, timestamp] of [
      ["x", 0],
      ["4294967296", 0],
      ["1.5", 0],
      ["", 0],
      ["0", "later"],
    ] as const)
      expect(await ask(server, "search", { queueId, timestamp })).toMatchObject({ code: 1 });
    expect(await ask(server, "search", { timestamp: "9223372036854775807" })).toMatchObject({ code: 0 });
  });
});
