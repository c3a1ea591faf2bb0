import { createTopic, heartbeat, isFound, maxOffset, pull, route, send, uniqueId } from "../requests.mjs";

const RESPONSE = 1;

/** A frame of this header, however wrong. @param form - 0 is JSON, 1 binary. */
function frame(form, header, body = Buffer.alloc(0)) {
  const prefix = Buffer.alloc(8);
  prefix.writeInt32BE(4 + header.length + body.length);
  prefix.writeUInt32BE(((form << 24) | header.length) >>> 0, 4);
  return Buffer.concat([prefix, header, body]);
}

export const frames = {
  name: "frames",
  async play({ open }) {
    const [client, nameserver] = [await open(), await open("nameserver")];
    const topic = "DfFrames";
    await client.ask("the topic", createTopic(topic, 1));
    await client.ask("of an unknown code", { code: 4_321, fields: { a: "b" } });
    await nameserver.ask("of an unknown code, to the name server", { code: 4_321 });
    await client.ask("of a code below 0", { code: -1 });
    const binary = { serialization: "ROCKETMQ" };
    await client.ask("binary", { ...send(topic, "binary", { UNIQ_KEY: uniqueId(1) }), ...binary });
    await client.until("binary, a pull", { ...pull("df-frames", topic), ...binary }, isFound);
    await client.ask("binary, without fields", { code: 30, ...binary });
    await client.ask("binary, of an unknown code", { code: 4_321, ...binary });
    await client.ask("binary, with a text", { ...maxOffset(topic), remark: "hello", ...binary });
    await nameserver.ask("binary, a route", { ...route("TBW102"), ...binary });
    const writers = [
      ["GO", 317],
      ["CPP", 253],
      ["JAVA", 0],
      ["JAVA", 121],
      ["NONE", 479],
    ];
    for (const [language, version] of writers)
      await nameserver.ask(`of ${language} ${version}`, { ...route("TBW102"), language, version });
    await client.ask("with fields that nobody knows", {
      ...maxOffset(topic),
      fields: { topic, queueId: 0, bname: "broker-a", lo: true, ns: "x" },
    });
    await client.ask("with a body that nobody reads", { ...maxOffset(topic), body: "body" });
    client.tell({ code: 0, flag: RESPONSE });
    client.tell({ code: 4_321 });
    client.tell({ code: 30 });
    client.tell(send("Df.bad", "told"));
    await client.ask("after what nobody answers", maxOffset(topic));
    const others = await open();
    others.tell(heartbeat("df@frames", {}));
    await others.ask("after a heartbeat by the way", maxOffset(topic));

    const broken = [
      ["of an unknown form", frame(9, Buffer.from("{}"))],
      ["with a header that is no JSON", frame(0, Buffer.from("hello"))],
      ["with an empty header", frame(0, Buffer.from(""))],
      ["with a header longer than it", Buffer.from([0, 0, 0, 8, 0, 0, 0, 99, 1, 2, 3, 4])],
      ["that is too long", Buffer.from([0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 2, 1, 2])],
      ["of a length below 0", Buffer.from([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 2, 1, 2])],
      ["with a binary header that is cut", frame(1, Buffer.from([0, 30, 0, 1]))],
    ];
    for (const [what, bytes] of broken) {
      const wrong = await open();
      wrong.write(bytes);
      await wrong.closed(what);
    }
  },
};
