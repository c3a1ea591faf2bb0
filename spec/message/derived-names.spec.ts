import { describe, expect, it } from "vitest";
import {
  deadLetterTopic,
  isDeadLetterTopic,
  isRetryTopic,
  popRetryTopic,
  replyTopic,
  retryTopic,
  topicOfPopRetries,
} from "../../lib/message/derived-names.js";
import { isSystemGroup, SYSTEM_GROUPS } from "../../lib/message/system-topics.js";
import { loadFacts } from "../support/facts.js";

const recorded = loadFacts("names").observed<Readonly<Record<string, string | boolean>>>("derived-names");

/** What stays away until something uses it. */
const NOT_YET = {
  popRetryV2: "off in RocketMQ unless switched on",
  popNormalTopicOfV2: "off in RocketMQ unless switched on",
  lmqPrefix: "no light message queues",
  clientInnerProducer: "a client sends nothing back through a producer of its own",
};

const OURS = {
  retry: retryTopic("g"),
  popRetryV1: popRetryTopic("g", "T"),
  popNormalTopicOfV1: topicOfPopRetries("g", "%RETRY%g_T"),
  dlq: deadLetterTopic("g"),
  replyTopic: replyTopic("DefaultCluster"),
  toolsConsumer: [...SYSTEM_GROUPS].find((group) => group === "TOOLS_CONSUMER"),
  sysConsumerGroup: isSystemGroup("CID_RMQ_SYS_x"),
};

describe("derived names", () => {
  it.each(Object.entries(OURS))("%s is the recorded one", (key, ours) => {
    expect(ours).toBe(recorded[key]);
  });

  it("are all there or known to be absent", () => {
    expect([...Object.keys(OURS), ...Object.keys(NOT_YET)].sort()).toEqual(Object.keys(recorded).sort());
  });

  it("are recognised by their prefixes, in upper case only", () => {
    const topics = ["%RETRY%g", "%DLQ%g", "%retry%g", "g%RETRY%", "orders"];

    expect(topics.map(isRetryTopic)).toEqual([true, false, false, false, false]);
    expect(topics.map(isDeadLetterTopic)).toEqual([false, true, false, false, false]);
  });
});
