import { createTopic, route, send, succeeded } from "../requests.mjs";

const configOf = (topic) => ({ code: 351, fields: { topic } });

export const topics = {
  name: "topics",
  async play({ open, record }) {
    const [broker, nameserver] = [await open("broker"), await open("nameserver")];
    for (const queues of [1, 2, 4]) {
      await broker.ask(`of ${queues} queues`, createTopic(`DfTopic${queues}`, queues));
      await nameserver.until(`route of ${queues} queues`, route(`DfTopic${queues}`), succeeded);
    }
    await broker.ask("its settings", configOf("DfTopic2"));
    await broker.ask("settings of an unknown one", configOf("DfTopicNone"));
    await broker.ask(
      "with other numbers of queues",
      createTopic("DfTopic2", 2, { readQueueNums: 8, writeQueueNums: 3 }),
    );
    await nameserver.until("route with other numbers", route("DfTopic2"), ({ body }) =>
      body.includes('"readQueueNums":8'),
    );
    await nameserver.ask("route of an unknown one", route("DfTopicNone"));
    await nameserver.ask("route without a topic", { code: 105, fields: {} });
    await nameserver.ask("route of nothing", route(""));
    await nameserver.ask("route of the template", route("TBW102"));
    for (const topic of [
      "DefaultCluster",
      "broker-a",
      "SELF_TEST_TOPIC",
      "RMQ_SYS_TRANS_HALF_TOPIC",
      "SCHEDULE_TOPIC_XXXX",
    ])
      await nameserver.ask(`route of ${topic}`, route(topic));
    await nameserver.ask("the cluster", { code: 106 });
    const { body } = await nameserver.quietly({ code: 206 });
    const all = JSON.parse(body.toString()).topicList;
    const ofSystem = all.filter((name) => !/^(?:Df|%)/.test(name));
    record("topics of the system", Object.fromEntries(ofSystem.map((name) => [name, "is there"])));

    for (const perm of [0, 2, 4]) {
      await broker.ask(`with perm ${perm}`, createTopic(`DfPerm${perm}`, 1, { perm }));
      if (perm !== 0) await nameserver.until(`route with perm ${perm}`, route(`DfPerm${perm}`), succeeded);
    }
    await nameserver.ask("route with perm 0", route("DfPerm0"));
    await broker.ask("in order", createTopic("DfOrder", 2, { order: true }));
    await broker.ask("settings in order", configOf("DfOrder"));
    const refused = [
      ["a name with a dot", "Df.a"],
      ["no name", ""],
      ["a name of 128", "t".repeat(128)],
      ["the template", "TBW102"],
      ["a topic of the system", "SCHEDULE_TOPIC_XXXX"],
      ["a topic of retries", "%RETRY%df-topics"],
    ];
    for (const [what, topic] of refused) await broker.ask(what, createTopic(topic, 1));
    const headers = [
      ["without a topic", { topic: undefined }],
      ["without queues", { readQueueNums: undefined }],
      ["with queues that are no number", { readQueueNums: "many" }],
      ["without a permission", { perm: undefined }],
      ["without a template", { defaultTopic: undefined }],
      ["without a kind of filter", { topicFilterType: undefined }],
      ["with an unknown kind of filter", { topicFilterType: "NONE" }],
      ["with an unknown attribute", { attributes: "+no.such=1" }],
      ["with an unknown type", { attributes: "+message.type=BOGUS" }],
      ["of type FIFO", { attributes: "+message.type=FIFO" }],
    ];
    for (const [what, changes] of headers) await broker.ask(what, createTopic("DfHeaders", 1, changes));
    await broker.ask("settings of type FIFO", configOf("DfHeaders"));
    await broker.ask("type taken away", createTopic("DfHeaders", 1, { attributes: "-message.type" }));
    await broker.ask("settings without the type", configOf("DfHeaders"));

    await broker.ask("made by a send", send("DfMade", "first"));
    await nameserver.until("route of one made by a send", route("DfMade"), succeeded);
    await broker.ask("made by a send of 16 queues", send("DfMade16", "first", {}, { d: 16 }));
    await broker.ask("settings of one of 16 queues", configOf("DfMade16"));
    await broker.ask("made by a send to queue 6", send("DfMade6", "first", {}, { e: 6 }));
  },
};
