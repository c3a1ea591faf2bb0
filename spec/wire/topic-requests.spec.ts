import { describe, expect, it } from "vitest";
import type { RemotingCommand } from "../../lib/wire/remoting-command.js";
import { loadFacts } from "../support/facts.js";
import { loadFrames } from "../support/frames.js";
import { openWireBroker, type WireBroker } from "../support/wire-broker.js";

const [CREATE, LIST, CONFIG] = [17, 206, 351] as const;
const validation = loadFacts("validation");
const admin = loadFacts("admin");

interface Answer {
  readonly code: number;
  readonly remark: string | null;
  readonly body?: string;
}

async function create({ client }: WireBroker, changes: Readonly<Record<string, string>>): Promise<Answer> {
  const recorded = loadFrames("admin").find(({ name }) => name === "UPDATE_AND_CREATE_TOPIC");
  const fields = { ...recorded?.header.extFields, ...changes };
  return toAnswer(await client.ask({ code: CREATE, fields: new Map(Object.entries(fields)) }));
}

async function configOf({ client }: WireBroker, topic: string): Promise<Answer> {
  return toAnswer(await client.ask({ code: CONFIG, fields: new Map([["topic", topic]]) }));
}

function toAnswer({ code, remark, body }: RemotingCommand): Answer {
  return { code, remark: remark ?? null, ...(body.length > 0 && { body: body.toString() }) };
}

/** What a recorded request asks for, by its name. */
function changesOf(fact: string): Readonly<Record<string, string>> {
  const [what = "", value = ""] = /^raw-create-topic-(.*)$/.exec(fact)?.[1]?.split(" ") ?? [];
  if (what === "attributes") return { topic: "ValAttr", attributes: value };
  if (what === "perm") return { topic: "ValPerm", perm: value };
  if (what === "queues") return { topic: "ValQueues", readQueueNums: value, writeQueueNums: value };
  return { topic: what === "128" ? "t".repeat(128) : what === "empty" ? "" : what };
}

describe("a topic that is made over the wire", () => {
  it.each(validation.names.filter((name) => name.startsWith("raw-create-topic-")))(
    "is answered as RocketMQ does: %s",
    async (fact) => {
      await using server = await openWireBroker();

      expect(await create(server, changesOf(fact))).toEqual(validation.observed<Answer>(fact));
    },
  );

  it("is refused with 1, as in RocketMQ, without a type of filter that is known", async () => {
    await using server = await openWireBroker();

    expect((await create(server, { topic: "Val", topicFilterType: "NONE" })).code).toBe(1);
    expect((await create(server, { topic: "Val", topicFilterType: "MULTI_TAG" })).code).toBe(0);
  });

  it("is there from then on, as it was set up last, and not at all where it was refused", async () => {
    const [first, again, more, config] =
      admin.observed<readonly [Answer, Answer, Answer, Answer]>("create-topic-response");
    await using server = await openWireBroker();

    expect(await create(server, { topic: "AdmT" })).toEqual(first);
    expect(await create(server, { topic: "AdmT" })).toEqual(again);
    expect(await create(server, { topic: "AdmT", readQueueNums: "5", writeQueueNums: "5" })).toEqual(more);
    expect(await configOf(server, "AdmT")).toEqual(config);
    await create(server, { topic: "AdmX", attributes: "+no.such=1" });
    expect((await configOf(server, "AdmX")).code).toBe(17);
  });

  it("keeps of its permission what permits reading and writing, and its type", async () => {
    await using server = await openWireBroker();
    const kept: unknown[] = [];

    for (const perm of ["6", "4", "2", "0", "-1", "9"]) {
      await create(server, { topic: "Perm", perm, attributes: "+message.type=FIFO" });
      kept.push((JSON.parse((await configOf(server, "Perm")).body ?? "") as { readonly perm: number }).perm);
    }

    expect(kept).toEqual([6, 4, 2, 0, 6, 0]);
    expect(JSON.parse((await configOf(server, "Perm")).body ?? "")).toMatchObject({
      attributes: { "message.type": "FIFO" },
    });
  });
});

describe("a topic that is looked at over the wire", () => {
  it.each(["topic-config-TBW102", "topic-config-NoSuchTopic", "topic-config-SELF_TEST_TOPIC", "topic-config-broker-a"])(
    "is answered as RocketMQ does: %s",
    async (fact) => {
      await using server = await openWireBroker();

      expect(await configOf(server, fact.slice("topic-config-".length))).toEqual(admin.observed<Answer>(fact));
    },
  );

  it("is in the list of all, with those of the system", async () => {
    await using server = await openWireBroker();
    await create(server, { topic: "FrNew" });

    const { body } = await server.client.ask({ code: LIST });

    const { topicList } = JSON.parse(body.toString()) as { readonly topicList: readonly string[] };
    expect(topicList).toEqual(expect.arrayContaining(["FrNew", "TBW102", "SELF_TEST_TOPIC", "broker-a"]));
  });
});
