import { describe, expect, it } from "vitest";
import {
  assertSendable,
  findSystemTopic,
  isSystemGroup,
  isSystemTopic,
  listSystemTopics,
} from "../../lib/message/system-topics.js";
import { loadFacts } from "../support/facts.js";
import { writeOut } from "../support/recorded-text.js";
import { refusal, thrown } from "../support/thrown.js";

const owner = { brokerName: "broker-a", clusterName: "DefaultCluster" };
const names = loadFacts("names");
const admin = loadFacts("admin");
const validation = loadFacts("validation");
const recorded = names.observed<{
  readonly system: readonly string[];
  readonly sendForbidden: readonly string[];
  readonly prefix: string;
}>("system-topic-set");
const topics =
  names.observed<
    readonly { readonly topic: string | null; readonly system: boolean; readonly sendForbidden: boolean }[]
  >("topic-validator");
const configs = admin.names.filter((name) => name.startsWith("topic-config-"));
const sends = validation.names.filter((name) => name.startsWith("send-system-topic-"));

describe("isSystemTopic", () => {
  it.each(recorded.system)("takes %s for one", (topic) => {
    expect(isSystemTopic(topic, owner)).toBe(true);
  });

  it.each(topics.filter(({ topic }) => topic !== null))("answers $system for $topic", ({ topic, system }) => {
    expect(isSystemTopic(writeOut(topic ?? ""), owner)).toBe(system);
  });

  it.each(admin.observed<{ readonly topicList: readonly string[] }>("system-topics-broker").topicList)(
    "takes %s of the broker for one",
    (topic) => {
      expect(isSystemTopic(topic, owner)).toBe(true);
    },
  );

  it("knows the names of its own broker and cluster only", () => {
    const other = { brokerName: "b", clusterName: "c" };

    expect(
      ["broker-a", "DefaultCluster", "b", "c", "c_REPLY_TOPIC"].map((topic) => isSystemTopic(topic, other)),
    ).toEqual([false, false, true, true, true]);
  });
});

describe("findSystemTopic", () => {
  it.each(configs)("has the queues and permissions of %s", (fact) => {
    const topic = fact.slice("topic-config-".length);
    const { code, body } = admin.observed<{ readonly code: number; readonly body?: string }>(fact);

    const found = findSystemTopic(topic, owner);

    expect(found === undefined ? 17 : 0).toBe(code);
    if (found === undefined) return;
    const { readQueueNums, writeQueueNums, perm, order } = found;
    expect(JSON.parse(body ?? "")).toMatchObject({ readQueueNums, writeQueueNums, perm, order });
  });

  it("has no template where sending creates no topics", () => {
    expect(findSystemTopic("TBW102", { ...owner, autoCreateTopic: false })).toBeUndefined();
  });
});

describe("listSystemTopics", () => {
  it("lists each topic that can be found, once", () => {
    const listed = listSystemTopics(owner).map(({ topic }) => topic);

    const existing = configs
      .filter((fact) => admin.observed<{ readonly code: number }>(fact).code === 0)
      .map((fact) => fact.slice("topic-config-".length));
    expect([...listed].sort()).toEqual([...existing].sort());
  });

  it("lists a broker named as its cluster once", () => {
    const listed = listSystemTopics({ brokerName: "same", clusterName: "same" });

    expect(listed.filter(({ topic }) => topic === "same")).toHaveLength(1);
  });
});

describe("assertSendable", () => {
  it.each(recorded.sendForbidden)("refuses %s", (topic) => {
    const error = thrown(() => assertSendable(topic));

    expect([error.code, error.responseCode]).toEqual(["ERR_MQ_NO_PERMISSION", 16]);
  });

  it.each(recorded.system.filter((topic) => !recorded.sendForbidden.includes(topic)))("lets %s pass", (topic) => {
    expect(refusal(() => assertSendable(topic))).toBeUndefined();
  });

  it.each(sends)("ends as recorded in %s when a client asks", (fact) => {
    const topic = fact.slice("send-system-topic-".length);

    expect(refusal(() => assertSendable(topic, -1))).toBe(validation.error(fact)?.responseCode);
  });

  it.each(["SCHEDULE_TOPIC_XXXX", "RMQ_SYS_TRANS_HALF_TOPIC", "SELF_TEST_TOPIC", "%DLQ%nogroup", "%RETRY%nogroup"])(
    "answers a raw send to %s as recorded",
    (topic) => {
      const { code } = validation.observed<{ readonly code: number }>(`raw-send-${topic}`);

      expect(refusal(() => assertSendable(topic)) ?? 0).toBe(code);
    },
  );

  it("refuses the timer's topic, which RocketMQ lets users destroy", () => {
    expect(refusal(() => assertSendable("rmq_sys_wheel_timer"))).toBe(16);
  });
});

describe("isSystemGroup", () => {
  it("knows the groups of every broker and the reserved prefix", () => {
    expect(["TOOLS_CONSUMER", "CID_ONSAPI_PULL", "CID_RMQ_SYS_", "billing"].map(isSystemGroup)).toEqual([
      true,
      true,
      true,
      false,
    ]);
  });
});
