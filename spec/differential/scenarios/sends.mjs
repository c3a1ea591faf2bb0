import { deflateSync } from "node:zlib";
import {
  batchOf,
  createTopic,
  isFound,
  properties,
  pull,
  reaches,
  send,
  sendBatch,
  sendPlainly,
  uniqueId,
} from "../requests.mjs";

export const sends = {
  name: "sends",
  async play({ open }) {
    const client = await open();
    await client.ask("the topic", createTopic("DfSends", 2));
    const values = { color: "red", KEYS: "k1 k2", UNIQ_KEY: uniqueId(1), WAIT: "true", TAGS: "TagA" };
    await client.ask("with all that clients send", send("DfSends", "sync", values, { h: 7, f: 768 }));
    await client.ask("with nothing that may be missing", {
      code: 310,
      fields: { a: "p", b: "DfSends", c: "TBW102", d: 4, e: 0, f: 0, g: 0, h: 0 },
      body: "bare",
    });
    await client.ask("with the long names", sendPlainly("DfSends", "plain", { TAGS: "b" }));
    client.tell(send("DfSends", "told", { UNIQ_KEY: uniqueId(2) }));
    await client.ask("sent back by a client itself", send("DfSends", "again", {}, { j: 3 }));
    await client.ask("in unit mode", send("DfSends", "unit", {}, { k: true }));
    await client.ask("whose born time is far away", send("DfSends", "old", {}, { g: -1 }));
    await client.ask("that is not awaited", send("DfSends", "no wait", { WAIT: "false" }));
    const compressed = deflateSync(Buffer.alloc(5_000, "a"));
    await client.ask("that is compressed", send("DfSends", compressed, { UNIQ_KEY: uniqueId(3) }, { f: 769 }));
    await client.ask("to the other queue", send("DfSends", "other", {}, { e: 1 }));
    await client.ask("to no queue in particular", send("DfSendsMade", "any", {}, { e: -1, d: 1 }));
    await client.ask("to no queue at all", send("DfSendsMade", "any", {}, { e: -2 }));
    await client.ask("of Unicode", send("DfSends", "héllo ☃", { TAGS: "ü", KEYS: "☃" }));
    await client.ask(
      "with doubled properties",
      send("DfSends", "twice", {}, { i: properties({ a: "1" }) + properties({ a: "2" }) }),
    );
    await client.ask("with an odd end of properties", send("DfSends", "odd", {}, { i: "a\u00011\u0002b" }));
    await client.ask("with properties that are none", send("DfSends", "none", {}, { i: "nothing" }));
    await client.ask(
      "with reserved properties",
      send("DfSends", "mine", { MIN_OFFSET: "9", MSG_REGION: "here", TRACE_ON: "false", CLUSTER: "mine" }),
    );
    const all = pull("df-sends", "DfSends");
    await client.until("what is stored", all, reaches(14));

    const refused = [
      ["to a queue beyond", { e: 2 }],
      ["without a queue", { e: undefined }],
      ["to a queue that is no number", { e: "first" }],
      ["to a queue of too many digits", { e: "99999999999" }],
      ["without a topic", { b: undefined }],
      ["to no topic", { b: "" }],
      ["to a topic with a dot", { b: "Df.a" }],
      ["to a topic of 128", { b: "t".repeat(128) }],
      ["to a new topic by an unknown template", { b: "DfSendsNew", c: "DfNoTemplate" }],
      ["to the topic of timers", { b: "SCHEDULE_TOPIC_XXXX" }],
      ["to the topic of half messages", { b: "RMQ_SYS_TRANS_HALF_TOPIC" }],
      ["to dead letters of nobody", { b: "%DLQ%df-nobody" }],
      ["to retries of a new group", { b: "%RETRY%df-sends-new" }],
      ["without a group", { a: undefined }],
      ["of no group", { a: "" }],
      ["with a flag that is no number", { h: "x" }],
      ["without a time", { g: undefined }],
      ["without properties", { i: undefined }],
      ["with 40,000 bytes of properties", { i: properties({ a: "v".repeat(40_000) }) }],
    ];
    for (const [what, changes] of refused) await client.ask(what, send("DfSends", "refused?", {}, changes));
    await client.ask("without a body", send("DfSends", undefined));
    await client.ask("of 4 MiB", send("DfSends", Buffer.alloc(4_194_304, "x")));
    await client.ask("of more than 4 MiB", send("DfSends", Buffer.alloc(4_194_305, "x")));
    await client.ask("the topic that is read only", createTopic("DfSendsRead", 1, { perm: 4 }));
    await client.ask("to a topic that is read only", send("DfSendsRead", "x"));

    const timed = [
      ["of level 0", { DELAY: "0" }],
      ["of level 1", { DELAY: "1" }],
      ["of level 19", { DELAY: "19" }],
      ["of a level that is no number", { DELAY: "soon" }],
      ["of a time that is no number", { TIMER_DELAY_SEC: "soon" }],
      ["of a time too far", { TIMER_DELAY_SEC: "99999999" }],
    ];
    for (const [what, values] of timed) await client.ask(what, send("DfSendsTimed", "later", values));
  },
};

export const batches = {
  name: "batches",
  async play({ open }) {
    const client = await open();
    await client.ask("the topic", createTopic("DfBatches", 1));
    const two = batchOf([
      ["one", { UNIQ_KEY: uniqueId(1), TAGS: "a", WAIT: "true" }],
      ["two", { UNIQ_KEY: uniqueId(2), WAIT: "true" }],
    ]);
    await client.ask("of two", sendBatch("DfBatches", two, { i: properties({ UNIQ_KEY: uniqueId(3), WAIT: "true" }) }));
    await client.ask("of two without ids", sendBatch("DfBatches", batchOf([["three"], ["four"]])));
    await client.ask("that says it is none", {
      ...send("DfBatches", "no batch", { UNIQ_KEY: uniqueId(9) }),
      code: 320,
    });
    await client.until("what is stored", pull("df-batches", "DfBatches"), reaches(5));
    const asking = [
      ["whose message is of a transaction", { TRAN_MSG: "true", PGROUP: "df-producer", UNIQ_KEY: uniqueId(5) }],
      ["whose message asks for a level", { DELAY: "2", UNIQ_KEY: uniqueId(6) }],
      ["whose message asks for a time", { TIMER_DELAY_SEC: "60", UNIQ_KEY: uniqueId(7) }],
    ];
    for (const [what, values] of asking)
      await client.ask(
        what,
        sendBatch("DfBatches", batchOf([[what, { ...values, WAIT: "true" }]]), { i: properties({ WAIT: "true" }) }),
      );
    await client.until("what its message became", pull("df-batches", "DfBatches", { queueOffset: 5 }), reaches(8));
    await client.ask("that is cut", sendBatch("DfBatches", two.subarray(0, two.length - 3)));
    await client.ask("of bytes", sendBatch("DfBatches", "no batch"));
    await client.ask("to another queue", sendBatch("DfBatches", two, { e: 3 }));
    await client.ask("to retries", sendBatch("%RETRY%df-batches", two));
    await client.ask("with a delay", sendBatch("DfBatches", two, { i: properties({ DELAY: "1" }) }));
    await client.ask("of a transaction", sendBatch("DfBatches", two, { f: 4 }));
  },
};

export const delays = {
  name: "delays",
  async play({ open }) {
    const client = await open();
    await client.ask("the topic", createTopic("DfDelays", 1));
    await client.ask(
      "a message of level 1",
      send("DfDelays", "level", { DELAY: "1", UNIQ_KEY: uniqueId(1), TAGS: "a" }),
    );
    await client.ask("before its time", pull("df-delays", "DfDelays"));
    await client.until("at its time", pull("df-delays", "DfDelays"), isFound);
    await client.ask(
      "a message of a second",
      send("DfDelays", "timer", { TIMER_DELAY_SEC: "1", UNIQ_KEY: uniqueId(2) }),
    );
    await client.until("after a second", pull("df-delays", "DfDelays", { queueOffset: 1 }), isFound);
  },
};
