import { setTimeout as sleep } from "node:timers/promises";
import { equal, eventually, Inbox, that } from "./check.mjs";
import { bodies, into } from "./clients.mjs";

async function sendSync(clients) {
  await clients.openTopic();
  const producer = await clients.producer();
  const results = [];
  for (const body of bodies("sync", 12)) results.push(await producer.send(clients.message(body)));

  const lanes = new Map();
  for (const { sendStatus, messageQueue, queueOffset, msgId } of results) {
    equal("status", "SEND_OK", sendStatus);
    equal("topic", clients.topic, messageQueue.topic);
    that(/^[0-9A-F]{32}$/.test(msgId), `message id: ${msgId}`);
    const next = lanes.get(messageQueue.queueId) ?? 0;
    equal("queue offset", next, Number(queueOffset));
    lanes.set(messageQueue.queueId, next + 1);
  }
  equal("messages in each of the queues, in turns", [3, 3, 3, 3], [...lanes.values()]);
  const inbox = new Inbox();
  await clients.consume(into(inbox));
  for (const message of await inbox.awaitBodies(bodies("sync", 12))) {
    const sent = results[bodies("sync", 12).indexOf(message.body)];
    equal("message id", sent.msgId, message.msgId);
    equal("queue", Number(sent.messageQueue.queueId), message.queueId);
    equal("queue offset", Number(sent.queueOffset), message.queueOffset);
  }
}

async function content(clients) {
  await clients.openTopic();
  const sent = clients.message("naïve 消息 🐘", "tag-ü");
  sent.keys = ["key-1", "κλειδί"];
  sent.properties.colour = "grün";
  sent.properties.消息 = "🐘";
  await (await clients.producer()).send(sent);
  const inbox = new Inbox();
  await clients.consume(into(inbox));

  const [message] = await inbox.awaitBodies(["naïve 消息 🐘"]);
  equal("tag", "tag-ü", message.tags);
  equal("keys", "key-1 κλειδί", message.keys);
  equal("property colour", "grün", message.properties.colour);
  equal("property 消息", "🐘", message.properties.消息);
  equal("topic", clients.topic, message.topic);
  equal("reconsume times", 0, message.reconsumeTimes);
}

async function contentCompressed(clients) {
  await clients.openTopic();
  const text = "ein langer Satz, ".repeat(4_000);
  await clients.send(text);
  const inbox = new Inbox();
  let storedBytes = 0;
  await clients.consume(async (message) => {
    storedBytes = message.storeSize;
    inbox.add(message);
  });

  await inbox.awaitBodies([text]);
  that(storedBytes > 0 && storedBytes < 4_000, `a text of 68 kB travels compressed, it took ${storedBytes}`);
}

async function delay(clients) {
  await clients.openTopic();
  const inbox = new Inbox();
  await clients.awaitShares(await clients.consume(into(inbox)));
  const late = clients.message("late");
  late.delayTimeLevel = 1;
  const before = Date.now();
  await (await clients.producer()).send(late);
  await clients.send("now");

  const [, delivered] = await inbox.awaitBodies(["now", "late"]);
  equal("order", ["now", "late"], inbox.bodies);
  const waited = delivered.atMs - before;
  that(waited >= 1_000 && waited < 8_000, `delay level 1 is a second, it took ${waited} ms`);
  equal("topic", clients.topic, delivered.topic);
}

async function clustering(clients) {
  await clients.openTopic();
  const [first, second] = [new Inbox(), new Inbox()];
  const leaving = await clients.consume(into(first));
  const staying = await clients.consume(into(second));
  await clients.awaitShares(leaving, staying);
  await clients.send(...bodies("shared", 40));
  await eventually("all messages", () => first.entries.length + second.entries.length >= 40);
  await sleep(400);
  equal("bodies of both", bodies("shared", 40).sort(), [...first.bodies, ...second.bodies].sort());
  equal("messages of the first, of 40 in 4 queues", 20, first.entries.length);

  await leaving.close();
  await clients.awaitShares(staying);
  await clients.send(...bodies("later", 8));
  await second.awaitBodies([...second.bodies.filter((body) => !body.startsWith("later")), ...bodies("later", 8)]);
}

async function broadcasting(clients) {
  await clients.openTopic();
  const inboxes = [new Inbox(), new Inbox()];
  for (const inbox of inboxes) await clients.awaitShares(await clients.consume(into(inbox), { isBroadcast: true }));
  await clients.send(...bodies("for-all", 20));
  for (const inbox of inboxes) await inbox.awaitBodies(bodies("for-all", 20));
}

async function tags(clients) {
  await clients.openTopic();
  const producer = await clients.producer();
  for (const tag of ["a", "b", "c", "ab", "A"])
    for (const body of bodies(tag, 4)) await producer.send(clients.message(body, tag));
  await clients.send("no-tag");
  const inbox = new Inbox();
  await clients.consume(into(inbox), { tags: "a || b" });
  await inbox.awaitBodies([...bodies("a", 4), ...bodies("b", 4)]);
}

/** What a consumer consumed before it was closed does not come again to the next one of its group, what it had not seen does. */
async function restart(clients) {
  await clients.openTopic();
  await clients.send(...bodies("before", 12));
  const [before, after] = [new Inbox(), new Inbox()];
  const first = await clients.consume(into(before));
  await before.awaitBodies(bodies("before", 12));
  await first.close();
  await clients.send(...bodies("between", 12));
  await clients.consume(into(after));
  await after.awaitBodies(bodies("between", 12));
}

/** Keys that this client does not send to queue 0, which it takes for no queue. */
const KEYS = ["ada", "dan", "eve", "gus", "hal", "joe"];

async function ordered(clients) {
  await clients.openTopic();
  const producer = await clients.producer();
  const queues = new Map(KEYS.map((key) => [key, new Set()]));
  for (const index of Array.from({ length: 8 }).keys()) {
    for (const key of KEYS) {
      const message = clients.message(`${key}-${index}`);
      message.shardingKey = key;
      queues.get(key).add((await producer.send(message)).messageQueue.queueId);
    }
  }
  for (const [key, used] of queues) equal(`queues of the key ${key}`, 1, used.size);
  const inbox = new Inbox();
  await clients.consume(into(inbox));
  await inbox.awaitBodies(KEYS.flatMap((key) => bodies(key, 8)));
  for (const key of KEYS)
    equal(
      `order of the key ${key}`,
      bodies(key, 8),
      inbox.bodies.filter((body) => body.startsWith(key)),
    );
}

/** This client lets the broker say when it tries again: after 10 s. */
async function retry(clients) {
  await clients.openTopic();
  const calls = new Inbox();
  const consumer = await clients.consume(async (message) => {
    calls.add(message);
    if (String(message.body) === "throws" && message.reconsumeTimes === 0) throw new Error("not yet");
    return String(message.body) === "asks" && message.reconsumeTimes === 0 ? clients.actionRetry : undefined;
  });
  await clients.awaitShares(consumer);
  const sent = clients.message("throws", "some-tag");
  sent.keys = ["some-key"];
  const result = await (await clients.producer()).send(sent);
  await clients.send("asks", "succeeds");

  await calls.awaitBodies(["throws", "throws", "asks", "asks", "succeeds"]);
  const [first, second] = calls.entries.filter(({ body }) => body === "throws");
  equal("reconsume times", [0, 1], [first.reconsumeTimes, second.reconsumeTimes]);
  equal("topic", clients.topic, second.topic);
  equal("tag", "some-tag", second.tags);
  equal("keys", "some-key", second.keys);
  equal("place of the original", result.msgId.slice(16), second.properties.ORIGIN_MESSAGE_ID?.slice(16));
  const waited = second.atMs - first.atMs;
  that(waited >= 9_950 && waited < 18_000, `the first retry comes after 10 s, it took ${waited} ms`);
}

async function deadLetter(clients) {
  await clients.openTopic();
  const calls = new Inbox();
  const failing = async (message) => {
    calls.add(message);
    throw new Error("never");
  };
  await clients.awaitShares(await clients.consume(failing, { maxReconsumeTimes: 1 }));
  const sent = clients.message("poison");
  sent.keys = ["some-key"];
  await (await clients.producer()).send(sent);

  const deadLetters = `%DLQ%${clients.group}`;
  await eventually(`a route of ${deadLetters}`, () => clients.hasRoute(deadLetters));
  await calls.awaitBodies(["poison", "poison"]);
  const dead = new Inbox();
  await clients.consume(into(dead), { topic: deadLetters, group: `${clients.topic}-others` });
  const [letter] = await dead.awaitBodies(["poison"]);
  equal("topic", deadLetters, letter.topic);
  equal("keys", "some-key", letter.keys);
  equal("topic that it came from", clients.topic, letter.properties.RETRY_TOPIC);
}

export const SCENARIOS = {
  "send-sync": sendSync,
  content,
  "content-compressed": contentCompressed,
  delay,
  clustering,
  broadcasting,
  tags,
  restart,
  ordered,
  retry,
  "dead-letter": deadLetter,
};
