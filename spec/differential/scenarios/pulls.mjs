import {
  COMMIT,
  consumer,
  createTopic,
  heartbeat,
  isFound,
  maxOffset,
  progressOf,
  pull,
  reaches,
  SUBSCRIPTION,
  SUSPEND,
  send,
  uniqueId,
} from "../requests.mjs";

const TOPIC = "DfPulls";
const GROUP = "df-pulls";

export const pulls = {
  name: "pulls",
  async play({ open }) {
    const client = await open();
    await client.ask("the topic", createTopic(TOPIC, 2));
    await client.ask("of an empty queue", pull(GROUP, TOPIC));
    await client.ask("of an empty queue, beyond it", pull(GROUP, TOPIC, { queueOffset: 5 }));
    for (const [index, tag] of ["a", "b", "c"].entries())
      await client.quietly(send(TOPIC, `message ${index}`, { UNIQ_KEY: uniqueId(index), TAGS: tag }));
    await client.quietly(send(TOPIC, "without a tag", { UNIQ_KEY: uniqueId(3) }));
    await client.until("of all", pull(GROUP, TOPIC), reaches(4));

    const asked = [
      ["from the middle", { queueOffset: 2 }],
      ["from the end", { queueOffset: 4 }],
      ["from beyond the end", { queueOffset: 5 }],
      ["from far beyond", { queueOffset: 500 }],
      ["from below 0", { queueOffset: -1 }],
      ["of one", { maxMsgNums: 1 }],
      ["of none", { maxMsgNums: 0 }],
      ["of less than none", { maxMsgNums: -1 }],
      ["of few bytes", { maxMsgBytes: 1 }],
      ["by a tag", { subscription: "b" }],
      ["by two tags", { subscription: "a || c" }],
      ["by a tag that is not there", { subscription: "z" }],
      ["by nothing", { subscription: "" }],
      ["without an expression", { subscription: undefined }],
      ["by an expression that is none", { subscription: "||" }],
      ["by SQL", { subscription: "a > 1", expressionType: "SQL92" }],
      ["by an unknown kind", { expressionType: "WISH" }],
      ["without a kind", { expressionType: undefined }],
      ["of a queue beyond", { queueId: 2 }],
      ["of a queue below", { queueId: -1 }],
      ["of an unknown topic", { topic: "DfPullsNone" }],
      ["of no topic", { topic: "" }],
      ["without a topic", { topic: undefined }],
      ["without a group", { consumerGroup: undefined }],
      ["of a group that is none", { consumerGroup: "a.b" }],
      ["without an offset", { queueOffset: undefined }],
      ["from an offset that is no number", { queueOffset: "first" }],
      ["without flags", { sysFlag: undefined }],
      ["without a version", { subVersion: undefined }],
      ["without a time to wait", { suspendTimeoutMillis: undefined }],
    ];
    for (const [what, changes] of asked) await client.ask(what, pull(GROUP, TOPIC, changes));
    await client.ask("by the other code", { ...pull(GROUP, TOPIC), code: 361 });
    await client.ask("of a topic that is written only", createTopic("DfPullsWrite", 1, { perm: 2 }));
    await client.ask("of what may not be read", pull(GROUP, "DfPullsWrite"));
    await client.ask("of the topic of timers", pull(GROUP, "SCHEDULE_TOPIC_XXXX"));
    await client.ask(
      "that tells how far it is",
      pull(GROUP, TOPIC, { sysFlag: SUBSCRIPTION | COMMIT, commitOffset: 2 }),
    );
    await client.ask("how far it is", progressOf(GROUP, TOPIC));
  },
};

export const subscribedPulls = {
  name: "subscribed pulls",
  async play({ open }) {
    const client = await open();
    const [topic, group] = ["DfSubscribed", "df-subscribed"];
    await client.ask("the topic", createTopic(topic, 1));
    for (const tag of ["a", "b"])
      await client.quietly(send(topic, tag, { UNIQ_KEY: uniqueId(tag === "a" ? 1 : 2), TAGS: tag }));
    const usual = { sysFlag: 0, subVersion: 7, subscription: undefined };
    await client.ask("of a group that nobody is in", pull(group, topic, usual));
    await client.ask("who comes", heartbeat("df@1", { consumers: [consumer(group, { [topic]: "b" })] }));
    await client.until("by what it subscribes to", pull(group, topic, usual), isFound);
    await client.ask("by an older version", pull(group, topic, { ...usual, subVersion: 6 }));
    await client.ask("by a newer version", pull(group, topic, { ...usual, subVersion: 8 }));
    await client.ask("of another topic", pull(group, "TBW102", usual));
    await client.ask(
      "by another expression, told with it",
      pull(group, topic, { ...usual, sysFlag: SUBSCRIPTION, subscription: "a" }),
    );
    const broadcaster = consumer("df-broadcast", { [topic]: "*" }, { messageModel: "BROADCASTING" });
    await client.ask("who broadcasts", heartbeat("df@2", { consumers: [broadcaster] }));
    await client.until("of who broadcasts", pull("df-broadcast", topic, usual), isFound);
    await client.ask(
      "of who broadcasts, with progress",
      pull("df-broadcast", topic, { ...usual, sysFlag: COMMIT, commitOffset: 1 }),
    );
    await client.ask("progress of who broadcasts", progressOf("df-broadcast", topic));
  },
};

export const longPolls = {
  name: "long polls",
  async play({ open, record }) {
    const [waiting, client] = [await open(), await open()];
    const topic = "DfLongPolls";
    await client.ask("the topic", createTopic(topic, 1));
    const suspended = { sysFlag: SUBSCRIPTION | SUSPEND };
    const held = waiting.quietly(pull("df-polls", topic, suspended));
    await client.ask("what it waits for", send(topic, "here", { UNIQ_KEY: uniqueId(1), TAGS: "a" }));
    record("that a message ends", await held);
    record(
      "that ends after its time",
      await waiting.quietly(pull("df-polls", topic, { ...suspended, queueOffset: 1, suspendTimeoutMillis: 100 })),
    );
    const filtered = waiting.quietly(pull("df-polls", topic, { ...suspended, queueOffset: 1, subscription: "b" }));
    // Both sides have seen the pull before the message comes, and the message before the one that matches.
    await waiting.quietly(maxOffset(topic));
    await client.quietly(send(topic, "not for it", { UNIQ_KEY: uniqueId(2), TAGS: "a" }));
    await client.until("what does not match", pull("df-polls", topic, { queueOffset: 1 }), isFound);
    await client.quietly(send(topic, "for it", { UNIQ_KEY: uniqueId(3), TAGS: "b" }));
    record("that waits for a tag", await filtered);
    await waiting.ask("beyond the end is not held", pull("df-polls", topic, { ...suspended, queueOffset: 9 }));
    await waiting.ask("of an unknown topic is not held", pull("df-polls", "DfLongPollsNone", suspended));
  },
};

export const largePulls = {
  name: "large pulls",
  async play({ open, record }) {
    const client = await open();
    const [small, large] = ["DfSmall", "DfLarge"];
    for (const topic of [small, large]) await client.ask(`the topic ${topic}`, createTopic(topic, 1));
    for (let index = 0; index < 40; index += 1)
      await client.quietly(send(small, `${index}`, { UNIQ_KEY: uniqueId(index) }));
    for (let index = 0; index < 5; index += 1)
      await client.quietly(send(large, Buffer.alloc(100_000, "x"), { UNIQ_KEY: uniqueId(index) }));
    await client.quietly(send(large, Buffer.alloc(1_000_000, "y"), { UNIQ_KEY: uniqueId(5) }));
    const outline = async (what, topic, changes) => {
      const { code, fields } = await client.quietly(pull("df-large", topic, changes));
      record(what, { code, nextBeginOffset: fields.get("nextBeginOffset") });
    };
    await client.until("the last small one", pull("df-large", small, { queueOffset: 39 }), reaches(40));
    await client.until("the last large one", pull("df-large", large, { queueOffset: 5 }), reaches(6));
    await outline("of 40 small ones", small, { maxMsgNums: 40 });
    await outline("of 40 small ones, all asked for", small, { maxMsgNums: 1_000 });
    await outline("of 40 small ones, of a tag", small, { subscription: "none", maxMsgNums: 8 });
    await outline("of large ones", large, { maxMsgBytes: undefined });
    await outline("of one that is larger than a pull", large, { queueOffset: 5, maxMsgBytes: undefined });
  },
};
