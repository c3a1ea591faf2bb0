import {
  consumer,
  createTopic,
  heartbeat,
  isFound,
  placeOf,
  pull,
  route,
  send,
  sendBack,
  succeeded,
  uniqueId,
} from "../requests.mjs";

export const retries = {
  name: "retries",
  async play({ open }) {
    const [client, nameserver] = [await open(), await open("nameserver")];
    const [topic, group] = ["DfRetries", "df-retries"];
    const [retries, deadLetters] = [`%RETRY%${group}`, `%DLQ%${group}`];
    await client.ask("the topic", createTopic(topic, 1));
    const sent = [];
    for (let index = 0; index < 5; index += 1)
      sent.push(
        placeOf(
          await client.quietly(
            send(topic, `fails ${index}`, { UNIQ_KEY: uniqueId(index), TAGS: "a", KEYS: "k", mine: "x" }),
          ),
        ),
      );
    await client.ask("who comes", heartbeat("df@1", { consumers: [consumer(group, { [topic]: "*" })] }));
    await client.until("they are there", pull(group, topic, { queueOffset: 4 }), isFound);
    await client.ask("of level 1", sendBack(group, topic, sent[0], { delayLevel: 1, originMsgId: uniqueId(0) }));
    const back = await client.until("comes back", pull(group, retries), isFound);
    const copy = back.body.readBigInt64BE(28);
    await client.ask("of level 1 again", sendBack(group, topic, copy, { delayLevel: 1, originMsgId: uniqueId(0) }));
    await client.until("comes back again", pull(group, retries, { queueOffset: 1 }), isFound);
    await client.ask("of no level", sendBack(group, topic, sent[1], { delayLevel: 0 }));
    await client.ask("given up", sendBack(group, topic, sent[2], { delayLevel: -1 }));
    await client.until("is a dead letter", pull(group, deadLetters), isFound);
    await client.ask("after its last attempt", sendBack(group, topic, sent[3], { maxReconsumeTimes: 0 }));
    await client.until(
      "is a dead letter after its last attempt",
      pull(group, deadLetters, { queueOffset: 1 }),
      isFound,
    );
    await nameserver.until("route of dead letters", route(deadLetters), succeeded);
    const asked = [
      ["without a limit", [group, topic, sent[3], { maxReconsumeTimes: undefined, delayLevel: 18 }]],
      ["of a message that is not there", [group, topic, 123_456_789_012n]],
      ["from below 0", [group, topic, -1]],
      ["of an offset that is no number", [group, topic, "x"]],
      ["without an offset", [group, topic, undefined]],
      ["of no group", [undefined, topic, sent[3]]],
      ["of a group that is none", ["a.b", topic, sent[3]]],
      ["without a level", [group, topic, sent[3], { delayLevel: undefined }]],
      ["of a level beyond", [group, topic, sent[3], { delayLevel: 99 }]],
    ];
    for (const [what, call] of asked) await client.ask(what, sendBack(...call));
    await client.ask("of a group that nobody made", sendBack("df-retries-new", topic, sent[3], { delayLevel: 18 }));
    await client.ask(
      "failed too often, by a client itself",
      send(retries, "itself", { RETRY_TOPIC: topic }, { j: 17, l: 16 }),
    );
    await client.until("is a dead letter of a client itself", pull(group, deadLetters, { queueOffset: 2 }), isFound);
    const failed = { RETRY_TOPIC: topic, UNIQ_KEY: uniqueId(7), ORIGIN_MESSAGE_ID: uniqueId(7), RECONSUME_TIME: "1" };
    const again = { ...failed, MAX_RECONSUME_TIMES: "16", DELAY: "1", TAGS: "a" };
    await client.ask("sent again by a client itself", send(retries, "again", again, { j: 1, l: 16 }));
    await client.until("comes back to a client itself", pull(group, retries, { queueOffset: 2 }), isFound);
    client.tell(sendBack(group, topic, sent[4], { delayLevel: -1 }));
    await client.until("given up by the way", pull(group, deadLetters, { queueOffset: 3 }), isFound);
  },
};
