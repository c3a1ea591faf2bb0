import { describe, expect, it } from "vitest";
import type { RemotingCommand } from "../../lib/wire/remoting-command.js";
import { loadFacts } from "../support/facts.js";
import { loadFrames } from "../support/frames.js";
import { ADDRESS, openWireBroker, type WireBroker } from "../support/wire-broker.js";

const ROUTE = 105;

const route = ({ client }: WireBroker, topic: string): Promise<RemotingCommand> =>
  client.ask({ code: ROUTE, fields: new Map([["topic", topic]]) });

const admin = loadFacts("admin");
const recordedRoutes = admin.names.filter((name) => name.startsWith("route-"));

describe("the route of a topic", () => {
  it.each(recordedRoutes)("is answered as RocketMQ does: %s", async (fact) => {
    const expected = admin.observed<{ readonly code: number; readonly remark: string | null; readonly body?: string }>(
      fact,
    );
    await using server = await openWireBroker();

    const { code, remark, body } = await route(server, fact.slice("route-".length));

    expect([code, remark]).toEqual([expected.code, expected.remark ?? undefined]);
    expect(body.toString()).toBe(expected.body?.replace("<broker>", ADDRESS) ?? "");
  });

  it("is that of a topic that was made, from that moment on, and 17 before", async () => {
    const { code, remark } = loadFacts("validation").observed<{ readonly code: number; readonly remark: string }>(
      "namesrv-no-route",
    );
    await using server = await openWireBroker();
    const before = await route(server, "ValNope");
    await server.broker.mq.admin.createTopic("ValNope", { readQueueNums: 1, writeQueueNums: 1 });

    const after = await route(server, "ValNope");

    expect(before).toMatchObject({ code, remark });
    const recorded = loadFrames("producer").find(({ answers }) => answers === "GET_ROUTEINFO_BY_TOPIC");
    expect(JSON.parse(after.body.toString().replace(ADDRESS, "<broker>"))).toEqual(recorded?.bodyJson);
  });

  it("names its queues as they are configured, whatever they permit, nothing too", async () => {
    await using server = await openWireBroker();
    const { admin: topics } = server.broker.mq;
    await topics.createTopic("writable", { readQueueNums: 3, writeQueueNums: 5, perm: "W" });
    await topics.createTopic("closed", { perm: "none" });

    expect(JSON.parse((await route(server, "writable")).body.toString())).toMatchObject({
      queueDatas: [{ perm: 2, readQueueNums: 3, writeQueueNums: 5 }],
    });
    expect(JSON.parse((await route(server, "closed")).body.toString())).toMatchObject({ queueDatas: [{ perm: 0 }] });
  });

  it("is none for the template of topics where none are made by a send", async () => {
    await using server = await openWireBroker({ autoCreateTopic: false });

    expect((await route(server, "TBW102")).code).toBe(17);
  });

  it("cannot be asked for without a topic", async () => {
    await using server = await openWireBroker();

    const { code, remark } = await server.client.ask({ code: ROUTE });

    expect([code, remark]).toEqual([1, "the custom field <topic> is null"]);
  });
});

describe("the cluster", () => {
  it("is one broker, in RocketMQ's form with quoted keys", async () => {
    const { body } = admin.observed<{ readonly body: string }>("cluster-info");
    await using server = await openWireBroker();

    const answer = await server.client.ask({ code: 106 });

    expect(answer.code).toBe(0);
    expect(answer.body.toString()).toBe(body.replace("{0:", '{"0":').replace("<broker>", ADDRESS));
  });
});
