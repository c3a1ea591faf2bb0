import {
  checkConfig,
  consumer,
  createTopic,
  heartbeat,
  lock,
  membersOf,
  route,
  succeeded,
  unregister,
} from "../requests.mjs";

const [LOCK, UNLOCK] = [41, 42];

export const members = {
  name: "members",
  async play({ open }) {
    const [first, second, nameserver] = [await open(), await open(), await open("nameserver")];
    const [topic, group] = ["DfMembers", "df-members"];
    await first.ask("the topic", createTopic(topic, 2));
    await first.ask("of nobody", membersOf(group));
    await first.ask("of no group", membersOf(undefined));
    await nameserver.ask("route of retries before", route(`%RETRY%${group}`));
    const heard = (id) => heartbeat(id, { consumers: [consumer(group, { [topic]: "*" })], producers: ["df-producer"] });
    await first.ask("one comes", heard("df@1"));
    await first.pushed("what it is told", 1);
    await nameserver.until("route of retries", route(`%RETRY%${group}`), succeeded);
    await first.ask("one is heard of again", heard("df@1"));
    await second.ask("another comes", heard("df@2"));
    await first.pushed("what the first is told of another", 1);
    await second.pushed("what the other is told", 1);
    await first.ask("of two", membersOf(group));
    await second.ask("another subscribes anew", heartbeat("df@2", { consumers: [consumer(group, { [topic]: "a" })] }));
    await second.ask("another leaves", unregister("df@2", { consumerGroup: group, producerGroup: "df-producer" }));
    await first.pushed("what the first is told of who left", 1);
    await second.ask("another leaves twice", unregister("df@2", { consumerGroup: group }));
    await first.pushed("what the first is told of who left twice", 0);
    await first.ask("of who stays", membersOf(group));
    await second.ask("another comes again", heard("df@2"));
    await first.pushed("what the first is told of who came again", 1);
    second.leave();
    await first.pushed("what the first is told of a lost connection", 1);
    await first.until("after a lost connection", membersOf(group), ({ body }) => !body.includes("df@2"));

    await first.ask("who only sends", heartbeat("df@3", { producers: ["df-producer"] }));
    await first.ask("who does nothing", heartbeat("df@4", {}));
    const broadcaster = consumer("df-members-all", { [topic]: "*" }, { messageModel: "BROADCASTING" });
    await first.ask("who broadcasts", heartbeat("df@1", { consumers: [broadcaster] }));
    await first.pushed("what who broadcasts is told", 0);
    await first.ask("of a group that broadcasts", membersOf("df-members-all"));
    const byWish = consumer("df-members-sql", { [topic]: "*" });
    const bySql = {
      ...byWish,
      subscriptionDataSet: [{ topic, subString: "a > 1", expressionType: "SQL92", subVersion: 1 }],
    };
    await first.ask("who subscribes by SQL", heartbeat("df@1", { consumers: [bySql] }));
    await first.ask("of who subscribes by SQL", membersOf("df-members-sql"));
    await first.ask("who subscribes to nothing", heartbeat("df@1", { consumers: [consumer("df-members-none", {})] }));
    await first.ask("of who subscribes to nothing", membersOf("df-members-none"));
    await first.ask("of a group that is none", heartbeat("df@1", { consumers: [consumer("a.b", { [topic]: "*" })] }));
    await first.ask("who leaves without an id", unregister(undefined, { consumerGroup: group }));
    await first.ask("who leaves nothing", unregister("df@1", {}));

    await first.ask("of no client", {
      code: 34,
      fields: {},
      body: JSON.stringify({ consumerDataSet: [], producerDataSet: [] }),
    });
    await first.ask("without a body", { code: 34, fields: {} });
    await first.ask("that is no JSON", { code: 34, fields: {}, body: "alive" });
    const subscription = (expressionType, subString) => ({
      topic,
      subString,
      expressionType,
      tagsSet: [],
      codeSet: [],
      subVersion: 1,
    });
    await first.ask("a configuration with tags", checkConfig("df@1", group, subscription("TAG", "a || b")));
    await first.ask("a configuration with SQL", checkConfig("df@1", group, subscription("SQL92", "a > 1")));
    await first.ask("a configuration without a subscription", checkConfig("df@1", group, undefined));
    await first.ask("no configuration", { code: 46 });
  },
};

export const locks = {
  name: "locks",
  async play({ open }) {
    const client = await open();
    const [topic, group] = ["DfLocks", "df-locks"];
    await client.ask("the topic", createTopic(topic, 2));
    await client.ask("of a group that nobody is in", lock(LOCK, "df-locks-none", "df@1", [topic, 0]));
    const other = "df-locks-other";
    for (const id of ["df@1", "df@2"]) {
      const consumers = [group, other].map((name) => consumer(name, { [topic]: "*" }));
      await client.ask(`${id} comes`, heartbeat(id, { consumers }));
    }
    await client.ask("of both queues", lock(LOCK, group, "df@1", [topic, 0], [topic, 1]));
    await client.ask("again", lock(LOCK, group, "df@1", [topic, 0], [topic, 1]));
    await client.ask("by another client", lock(LOCK, group, "df@2", [topic, 0]));
    await client.ask("by another group", lock(LOCK, other, "df@2", [topic, 0]));
    await client.ask("unlocked by another client", lock(UNLOCK, group, "df@2", [topic, 0]));
    await client.ask("is still locked", lock(LOCK, group, "df@2", [topic, 0]));
    await client.ask("unlocked", lock(UNLOCK, group, "df@1", [topic, 0]));
    await client.ask("by another client then", lock(LOCK, group, "df@2", [topic, 0], [topic, 1]));
    await client.ask("of a queue that there is not", lock(LOCK, group, "df@1", [topic, 7], ["DfLocksNone", 0]));
    await client.ask("of nothing", lock(LOCK, group, "df@1"));
    await client.ask("unlocked, of nothing", lock(UNLOCK, group, "df@1"));
    await client.ask("without a body", { code: LOCK, fields: {} });
    await client.ask("that is no JSON", { code: LOCK, fields: {}, body: "mine" });
    await client.ask("unlocked, without a body", { code: UNLOCK, fields: {} });
  },
};
