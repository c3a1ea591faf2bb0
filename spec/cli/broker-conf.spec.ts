import { describe, expect, it } from "vitest";
import { parseBrokerConf } from "../../lib/cli/broker-conf.js";
import { openBroker } from "../../lib/index.js";

const NOTHING = { broker: { retention: {}, transaction: {} }, serve: {}, withoutEffect: [] };

describe("a configuration of RocketMQ's broker", () => {
  it.each([
    ["listenPort=20911", { serve: { brokerPort: 20_911 } }],
    ["bindAddress=127.0.0.1", { serve: { host: "127.0.0.1" } }],
    ["brokerIP1=192.0.2.1", { serve: { advertise: "192.0.2.1" } }],
    ["brokerName=broker-b", { broker: { brokerName: "broker-b" } }],
    ["brokerClusterName=Other", { broker: { clusterName: "Other" } }],
    ["defaultTopicQueueNums=8", { broker: { defaultQueueCount: 8 } }],
    ["autoCreateTopicEnable=false", { broker: { autoCreateTopic: false } }],
    ["autoCreateTopicEnable=TRUE", { broker: { autoCreateTopic: true } }],
    ["autoCreateSubscriptionGroup=false", { broker: { autoCreateGroup: false } }],
    ["messageDelayLevel=1s 2s", { broker: { messageDelayLevels: "1s 2s" } }],
    ["recallMessageEnable=true", { broker: { recallMessageEnable: true } }],
    ["flushDiskType=SYNC_FLUSH", { broker: { synchronous: "full" } }],
    ["flushDiskType = ASYNC_FLUSH ", { broker: { synchronous: "normal" } }],
    ["fileReservedTime=48", { broker: { retention: { fileReservedTimeHours: 48 } } }],
    ["deleteWhen=04;16", { broker: { retention: { deleteWhen: "04;16" } } }],
    ["diskMaxUsedSpaceRatio=88", { broker: { retention: { diskMaxUsedSpaceRatio: 88 } } }],
    ["transactionTimeOut=3000", { broker: { transaction: { timeoutMs: 3_000 } } }],
    ["transactionCheckInterval=1000", { broker: { transaction: { checkIntervalMs: 1_000 } } }],
    ["transactionCheckMax=5", { broker: { transaction: { checkMax: 5 } } }],
  ] as readonly (readonly [string, { broker?: object; serve?: object }])[])(
    "is honoured where it says %s, in a way that a broker takes",
    async (text, { broker = {}, serve = {} }) => {
      const conf = parseBrokerConf(text);

      expect(conf).toEqual({ ...NOTHING, broker: { ...NOTHING.broker, ...broker }, serve });
      await (await openBroker({ path: ":memory:", ...conf.broker })).close();
    },
  );

  it("tells which of its keys have no effect, in their order", () => {
    const { withoutEffect } = parseBrokerConf("brokerId=0\nlistenPort=1\nmapedFileSizeCommitLog=1\nconstructor=1\n");

    expect(withoutEffect).toEqual(["brokerId", "mapedFileSizeCommitLog", "constructor"]);
  });

  it.each([
    ["listenPort=65536", 'listenPort must be an integer from 0 to 65535, got "65536"'],
    ["listenPort=1e3", 'listenPort must be an integer from 0 to 65535, got "1e3"'],
    ["listenPort=", "listenPort must not be empty"],
    ["autoCreateTopicEnable=yes", 'autoCreateTopicEnable must be true or false, got "yes"'],
    ["flushDiskType=full", 'flushDiskType must be SYNC_FLUSH or ASYNC_FLUSH, got "full"'],
    ["transactionCheckMax=0", 'transactionCheckMax must be an integer from 1 to 1000000, got "0"'],
  ])("is refused for %s", (text, message) => {
    expect(() => parseBrokerConf(text)).toThrow(message);
  });
});
