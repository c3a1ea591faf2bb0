import { describe, expect, it } from "vitest";
import { type RecordedFrame, SCENARIOS } from "../support/frames.js";
import { openWireBroker, type WireBroker } from "../support/wire-broker.js";
import { type Replayed, replay, type Surroundings } from "./replayed-frames.js";

const [SEND, UNIQUE_ID] = [310, "A".repeat(32)] as const;

/** What the recorded clients ask for and is not there yet: each is answered with 3, REQUEST_CODE_NOT_SUPPORTED. */
const NOT_YET: Readonly<Record<string, string>> = {
  QUERY_MESSAGE: "finding single messages",
  VIEW_MESSAGE_BY_ID: "finding single messages",
  QUERY_CONSUME_QUEUE: "finding single messages",
  SEND_REPLY_MESSAGE_V2: "requests and their replies",
  PUSH_REPLY_MESSAGE_TO_CLIENT: "requests and their replies",
  QUERY_ASSIGNMENT: "popping",
  POP_MESSAGE: "popping",
  CHANGE_MESSAGE_INVISIBLETIME: "popping",
  ACK_MESSAGE: "popping",
  GET_TOPIC_STATS_INFO: "what operators ask",
  UPDATE_AND_CREATE_SUBSCRIPTIONGROUP: "what operators ask",
  GET_ALL_SUBSCRIPTIONGROUP_CONFIG: "what operators ask",
  GET_CONSUME_STATS: "what operators ask",
  GET_CONSUMER_CONNECTION_LIST: "what operators ask",
  GET_CONSUMER_RUNNING_INFO: "what operators ask",
  QUERY_TOPIC_CONSUME_BY_WHO: "what operators ask",
  QUERY_CONSUME_TIME_SPAN: "what operators ask",
  INVOKE_BROKER_TO_RESET_OFFSET: "what operators ask",
  GET_BROKER_RUNTIME_INFO: "what operators ask",
  GET_ALL_TOPIC_CONFIG: "what operators ask",
  VIEW_BROKER_STATS_DATA: "what operators ask",
  CONSUME_MESSAGE_DIRECTLY: "what operators ask",
  CLONE_GROUP_OFFSET: "what operators ask",
  PUT_KV_CONFIG: "what operators ask",
  GET_KV_CONFIG: "what operators ask",
  DELETE_KV_CONFIG: "what operators ask",
  DELETE_SUBSCRIPTIONGROUP: "what operators ask",
  DELETE_TOPIC_IN_BROKER: "what operators ask",
  DELETE_TOPIC_IN_NAMESRV: "what operators ask",
  UPDATE_BROKER_CONFIG: "what operators ask",
};

function isServed({ kind, name, answers }: RecordedFrame): boolean {
  return !Object.hasOwn(NOT_YET, (kind === "response" ? answers : name) ?? "");
}

/** Another client sends a message, which the recording does not show. */
function sent(topic: string, body: string, properties: Readonly<Record<string, string>> = {}) {
  const all = { ...properties, UNIQ_KEY: UNIQUE_ID, WAIT: "true" };
  const i = Object.entries(all).map(([name, value]) => `${name}\u0001${value}\u0002`);
  const fields = { a: "other", b: topic, c: "TBW102", d: "4", e: "0", f: "0", g: "0", h: "0", i: i.join("") };
  return async ({ client }: WireBroker): Promise<void> => {
    const answer = await client.ask({ code: SEND, fields: new Map(Object.entries(fields)), body: Buffer.from(body) });
    expect(answer.code).toBe(0);
  };
}

const passes = (ms: number) => (server: WireBroker) => server.broker.clock.advance(ms);

function inTurn(...steps: readonly ((server: WireBroker) => Promise<unknown>)[]) {
  return async (server: WireBroker): Promise<void> => {
    for (const step of steps) await step(server);
  };
}

/** What was in FrPush before: it is that of two recordings. */
const earlierPushes = [
  sent("FrPush", "before", { TAGS: "a" }),
  sent("FrPush", "m1", { TAGS: "a" }),
  sent("FrPush", "filtered", { TAGS: "z" }),
  sent("FrPush", "m2", { TAGS: "b" }),
];

interface Setting {
  readonly topics: readonly string[];
  /** By the frames before which it happened. */
  readonly before?: Surroundings["before"];
}

const SETTINGS: Readonly<Record<string, Setting>> = {
  producer: { topics: ["FrSend"] },
  "push-clustering": {
    topics: ["FrPush"],
    before: {
      0: sent("FrPush", "before", { TAGS: "a" }),
      26: sent("FrPush", "m1", { TAGS: "a" }),
      27: sent("FrPush", "filtered", { TAGS: "z" }),
      29: sent("FrPush", "m2", { TAGS: "b" }),
      34: passes(15_000),
    },
  },
  "push-second-member": { topics: ["FrPush"], before: { 0: inTurn(...earlierPushes) } },
  "push-broadcasting": { topics: ["FrBc"], before: { 11: sent("FrBc", "m") } },
  "push-orderly": { topics: ["FrOrd"], before: { 0: sent("FrOrd", "o1") } },
  "send-back": {
    topics: ["FrBack"],
    before: { 0: sent("FrBack", "fail", { TAGS: "a", KEYS: "k" }), 30: passes(15_000) },
  },
  "sql-disabled": { topics: ["FrSql"] },
  transaction: { topics: ["FrTx"], before: { 19: passes(4_000) } },
  "request-reply": { topics: ["FrReq"] },
  "pull-consumer": { topics: ["FrPull"], before: { 0: sent("FrPull", "p0", { TAGS: "a" }) } },
  "lite-pull": { topics: ["FrLite"], before: { 0: sent("FrLite", "l0") } },
  query: { topics: ["FrQ"], before: { 0: sent("FrQ", "q", { TAGS: "T", KEYS: "fr-key" }) } },
  admin: { topics: ["FrPush"], before: { 0: inTurn(...earlierPushes, sent("FrPush", "adm", { TAGS: "a" })) } },
  pop: { topics: ["FrPop"], before: { 0: sent("FrPop", "pop0", { TAGS: "a" }) } },
  "binary-header": { topics: ["FrBin"] },
};

async function replayed(scenario: string): Promise<readonly Replayed[]> {
  const { topics, before = {} } = SETTINGS[scenario] as Setting;
  // Those of the recorded broker.
  await using server = await openWireBroker({ transaction: { timeoutMs: 2_000, checkIntervalMs: 2_000 } });
  for (const topic of topics) await server.broker.mq.admin.createTopic(topic, { readQueueNums: 1, writeQueueNums: 1 });
  return await replay(scenario, server, { before, isServed });
}

describe("what unmodified clients were recorded to ask Apache RocketMQ", () => {
  it.each(SCENARIOS)("is answered in the same way here: %s", async (scenario) => {
    const found = await replayed(scenario);

    expect(found.map(({ what, ours }) => ({ what, says: ours }))).toEqual(
      found.map(({ what, recorded }) => ({ what, says: recorded })),
    );
  });

  it("is replayed as a whole", () => {
    expect(Object.keys(SETTINGS).sort()).toEqual([...SCENARIOS].sort());
  });
});
