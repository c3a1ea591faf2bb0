import { describe, expect, it } from "vitest";
import { toResponse } from "../../lib/wire/remoting-command.js";
import { encodeStoredMessage } from "../../lib/wire/stored-message.js";
import { History } from "./history.mjs";

const addresses = { nameserver: "127.0.0.1:9876", broker: "127.0.0.1:10911" };
const [ID, OTHER] = ["7F00000100002A9F0000000000000001", "7F00000100002A9F00000000000000F2"] as const;

function answered(fields: Readonly<Record<string, string>>, remark?: string, body?: Buffer, code = 0) {
  return toResponse({ opaque: 1 }, { code, remark, fields: new Map(Object.entries(fields)), body });
}

describe("a history", () => {
  it("calls an id by the step in which it came up, wherever it is met again", () => {
    const history = new History(addresses);

    history.add("first", answered({ transactionId: ID }));
    history.add("second", answered({ transactionId: OTHER, other: ID }));

    expect(history.steps).toMatchObject({
      first: { fields: { transactionId: '<id 1 of "first">' } },
      second: { fields: { transactionId: '<id 1 of "second">', other: '<id 1 of "first">' } },
    });
  });

  it("has no times and no addresses, but says whose they are", () => {
    const history = new History(addresses);

    history.add("step", answered({ at: "1795971001001", offset: "17" }, "to 127.0.0.1:10911 from 127.0.0.1:51234"));

    expect(history.steps["step"]).toMatchObject({
      fields: { at: "<time>", offset: "17" },
      remark: "to <broker> from <client>",
    });
  });

  it("has messages field by field, whose places are named as ids are", () => {
    const history = new History(addresses);
    const message = {
      topic: "T",
      queueId: 2,
      flag: 3,
      queueOffset: 11,
      sysFlag: 0,
      reconsumeTimes: 1,
      bornTimestamp: 5,
    };
    const host = { host: "127.0.0.1", port: 10_911 };
    const more = {
      commitLogOffset: 4_096,
      storeTimestamp: 1_795_971_001_001,
      preparedTransactionOffset: 0,
      bornHost: host,
    };
    const stored = {
      ...message,
      ...more,
      storeHost: host,
      body: Buffer.from("hello"),
      properties: "b\u00012\u0002a\u00011\u0002",
    };

    history.add(
      "step",
      answered({}, "FOUND", Buffer.concat([encodeStoredMessage(stored), encodeStoredMessage(stored)])),
    );

    const read = {
      ...message,
      ...{ commitLogOffset: '<place 1 of "step">', storeTimestamp: "<time>", storeHost: "<broker>" },
      ...{ body: "hello", properties: { a: "1", b: "2" } },
    };
    expect(history.steps["step"]).toMatchObject({ body: [read, read] });
  });

  it("says of a malformed request that it is one, in neither side's words", () => {
    const history = new History(addresses);
    const java = 'java.lang.NumberFormatException: For input string: "x"';

    history.add("theirs", answered({}, java, undefined, 1));
    history.add("ours", answered({}, 'the custom field <e> must be an integer, got "x"', undefined, 1));

    expect(history.steps["theirs"]).toEqual(history.steps["ours"]);
  });

  it("reads RocketMQ's JSON as it reads ours", () => {
    const history = new History(addresses);

    history.add("theirs", answered({}, undefined, Buffer.from('{"brokerAddrs":{0:"127.0.0.1:10911"}}')));
    history.add("ours", answered({}, undefined, Buffer.from('{"brokerAddrs":{"0":"127.0.0.1:10911"}}')));

    expect(history.steps["theirs"]).toMatchObject({ body: { brokerAddrs: { 0: "<broker>" } } });
    expect(history.steps["ours"]).toEqual(history.steps["theirs"]);
  });
});
