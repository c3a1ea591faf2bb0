import {
  consumer,
  createTopic,
  earliestTime,
  heartbeat,
  isFound,
  maxOffset,
  minOffset,
  progressOf,
  pull,
  searchOffset,
  send,
  setProgress,
  uniqueId,
} from "../requests.mjs";

export const offsets = {
  name: "offsets",
  async play({ open }) {
    const client = await open();
    const topic = "DfOffsets";
    await client.ask("the topic", createTopic(topic, 2));
    for (let index = 0; index < 3; index += 1)
      await client.quietly(send(topic, `${index}`, { UNIQ_KEY: uniqueId(index) }));
    await client.until("they are there", pull("df-offsets", topic, { queueOffset: 2 }), isFound);
    for (const [what, name, queueId] of [
      ["a filled queue", topic, 0],
      ["an empty queue", topic, 1],
      ["a queue beyond", topic, 9],
      ["a queue below", topic, -1],
      ["an unknown topic", "DfOffsetsNone", 0],
    ]) {
      await client.ask(`end of ${what}`, maxOffset(name, queueId));
      await client.ask(`beginning of ${what}`, minOffset(name, queueId));
      await client.ask(`first time of ${what}`, earliestTime(name, queueId));
      await client.ask(`offset by time of ${what}`, { code: 29, fields: { topic: name, queueId, timestamp: 0 } });
    }
    await client.ask("end without a topic", maxOffset(undefined));
    await client.ask("end without a queue", { code: 30, fields: { topic } });
    await client.ask("end of a queue that is no number", maxOffset(topic, "x"));
    await client.ask("end without fields", { code: 30 });
    await client.ask("by a time to come", searchOffset(topic, 4_000_000_000_000));
    await client.ask("by a time below 0", searchOffset(topic, -1));
    await client.ask("by a time that is no number", searchOffset(topic, "now"));
    await client.ask("by the upper end of a time", searchOffset(topic, 4_000_000_000_000, { boundaryType: "UPPER" }));
    await client.ask("by the lower end of a time", searchOffset(topic, 0, { boundaryType: "lower" }));
    await client.ask("by an unknown end of a time", searchOffset(topic, 0, { boundaryType: "MIDDLE" }));
  },
};

export const progress = {
  name: "progress",
  async play({ open }) {
    const client = await open();
    const [topic, group] = ["DfProgress", "df-progress"];
    await client.ask("the topic", createTopic(topic, 2));
    await client.quietly(send(topic, "one", { UNIQ_KEY: uniqueId(1) }));
    await client.until("it is there", pull("df-progress-other", topic), isFound);
    await client.ask("of a group that is not there", progressOf(group, topic));
    await client.ask("told of a group that is not there", setProgress("df-progress-none", topic, 1));
    await client.ask("who comes", heartbeat("df@1", { consumers: [consumer(group, { [topic]: "*" })] }));
    await client.ask("of a group that begins", progressOf(group, topic));
    await client.ask("of a group that begins, not 0", progressOf(group, topic, 0, { setZeroIfNotFound: false }));
    await client.ask("of a queue without messages", progressOf(group, topic, 1));
    await client.ask("told", setProgress(group, topic, 1));
    await client.ask("as it was told", progressOf(group, topic));
    await client.ask("told to go back", setProgress(group, topic, 0));
    await client.ask("as it went back", progressOf(group, topic));
    client.tell(setProgress(group, topic, 1));
    await client.until(
      "as it was told by the way",
      progressOf(group, topic),
      ({ fields }) => fields?.get("offset") === "1",
    );
    await client.ask("told, beyond the end", setProgress(group, topic, 100));
    await client.ask("beyond the end", progressOf(group, topic));
    const refused = [
      ["told of an unknown topic", setProgress(group, "DfProgressNone", 1)],
      ["told of no topic", setProgress(group, undefined, 1)],
      ["told of a group that is none", setProgress("a.b", topic, 1)],
      ["told of no group", setProgress(undefined, topic, 1)],
      ["told without an offset", setProgress(group, topic, undefined)],
      ["told an offset that is no number", setProgress(group, topic, "x")],
      ["of an unknown topic", progressOf(group, "DfProgressNone")],
      ["of a queue beyond", progressOf(group, topic, 9)],
      ["without a topic", progressOf(group, undefined)],
      ["without a group", progressOf(undefined, topic)],
      ["of a queue that is no number", progressOf(group, topic, "x")],
    ];
    for (const [what, request] of refused) await client.ask(what, request);
    await client.ask("told of a queue beyond", setProgress(group, topic, 3, 9));
    await client.ask("told, below 0", setProgress(group, topic, -1, 1));
  },
};
