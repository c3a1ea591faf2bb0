import { describe, expect, it } from "vitest";
import type { RemotingCommand } from "../../lib/wire/remoting-command.js";
import { serve } from "../../lib/wire/serve.js";
import { type Engine, GROUP, openEngines, queueIdsOf, TOPIC } from "../broker/engines.js";
import { startChild } from "../support/child-process.js";
import { decodeStoredMessages } from "../support/stored-message.js";
import { WireClient } from "../support/wire-client.js";

const [PULL, QUERY_OFFSET, UPDATE_OFFSET, HEARTBEAT, SEND_BACK, LOCK, UNLOCK] = [11, 14, 15, 34, 36, 41, 42] as const;
const RETRY = `%RETRY%${GROUP}`;

/** A consumer behind a connection to a broker that other processes share a file with. */
class RemoteConsumer implements AsyncDisposable {
  readonly client: WireClient;
  readonly #close: () => Promise<void>;

  private constructor(client: WireClient, close: () => Promise<void>) {
    this.client = client;
    this.#close = close;
  }

  static async open({ test }: Engine): Promise<RemoteConsumer> {
    const service = await serve(test.mq, { nameserverPort: 0, brokerPort: 0 });
    const client = await WireClient.open(Number(service.broker.split(":")[1]));
    return new RemoteConsumer(client, async () => {
      await client[Symbol.asyncDispose]();
      await service.close();
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#close();
  }

  ask(code: number, fields: Readonly<Record<string, string | number>>): Promise<RemotingCommand> {
    const texts = Object.entries(fields).map(([name, value]) => [name, `${value}`] as const);
    return this.client.ask({ code, fields: new Map(texts) });
  }

  async join(clientId: string): Promise<void> {
    const consumer = { groupName: GROUP, consumeType: "CONSUME_PASSIVELY", messageModel: "CLUSTERING" };
    const subscriptionDataSet = [TOPIC, RETRY].map((topic) => ({ topic, subString: "*", subVersion: 1 }));
    const consumerDataSet = [{ ...consumer, subscriptionDataSet }];
    const body = Buffer.from(JSON.stringify({ clientID: clientId, producerDataSet: [], consumerDataSet }));
    expect((await this.client.ask({ code: HEARTBEAT, body })).code).toBe(0);
  }

  async pull(queueId: number): Promise<RemotingCommand> {
    const how = { maxMsgNums: 32, sysFlag: 4, commitOffset: 0, suspendTimeoutMillis: 0, subVersion: 0 };
    return await this.ask(PULL, { ...queue(queueId), queueOffset: 0, ...how, subscription: "*" });
  }

  /** Sends back a message of the queue, the first one unless told otherwise. */
  async sendBack(queueId: number, index: number = 0): Promise<number> {
    const message = decodeStoredMessages((await this.pull(queueId)).body)[index];
    const fields = { group: GROUP, offset: Number(message?.commitLogOffset), delayLevel: 1 };
    return (await this.ask(SEND_BACK, { ...fields, originTopic: TOPIC, unitMode: "false" })).code;
  }

  async commit(queueId: number, offset: number): Promise<number> {
    return (await this.ask(UPDATE_OFFSET, { ...queue(queueId), commitOffset: offset })).code;
  }

  async progress(queueId: number): Promise<string | undefined> {
    return (await this.ask(QUERY_OFFSET, queue(queueId))).fields?.get("offset");
  }

  async lock(clientId: string, queueIds: readonly number[]): Promise<readonly number[]> {
    const { body } = await this.client.ask({ code: LOCK, body: lockBody(clientId, queueIds) });
    const answer = JSON.parse(body.toString()) as { readonly lockOKMQSet: readonly { readonly queueId: number }[] };
    return answer.lockOKMQSet.map(({ queueId }) => queueId);
  }

  async unlock(clientId: string, queueIds: readonly number[]): Promise<void> {
    await this.client.ask({ code: UNLOCK, body: lockBody(clientId, queueIds) });
  }
}

function lockBody(clientId: string, queueIds: readonly number[]): Buffer {
  const mqSet = queueIds.map((queueId) => ({ topic: TOPIC, brokerName: "broker-a", queueId }));
  return Buffer.from(JSON.stringify({ consumerGroup: GROUP, clientId, mqSet }));
}

function queue(queueId: number): { consumerGroup: string; topic: string; queueId: number } {
  return { consumerGroup: GROUP, topic: TOPIC, queueId };
}

/** Texts of what waits in the retry topic of the group. */
async function retriesOf({ test }: Engine): Promise<readonly string[]> {
  const retries = await test.mq.admin.browse({ topic: RETRY, brokerName: "broker-a", queueId: 0 }, 0, 9);
  return retries.map((message) => message.text());
}

describe("a consumer behind a connection to one of several processes on a file", () => {
  it("shares the queues of its group with members in the others, and locks its own alone", async () => {
    await using engines = await openEngines();
    const [a, b] = [await engines.open(), await engines.open()];
    await a.test.mq.admin.createTopic(TOPIC);
    await using remote = await RemoteConsumer.open(a);
    await remote.join("0");
    const ofB = await b.consume();
    await engines.settle();

    for (let id = 0; id < 4; id += 1) await b.send(`${id}`, id);
    await engines.settle();

    const theirs = queueIdsOf(ofB);
    const own = [0, 1, 2, 3].filter((id) => !theirs.includes(id));
    expect(theirs).toHaveLength(2);
    expect([...b.received].sort()).toEqual(theirs.map(String));
    expect(await remote.lock("0", [0, 1, 2, 3])).toEqual(own);
  });

  it("is told of its share when the queues are its to lock, and again when another process lets go of its own", async () => {
    await using engines = await openEngines();
    const [a, b] = [await engines.open(), await engines.open()];
    await a.test.mq.admin.createTopic(TOPIC);
    await using remote = await RemoteConsumer.open(a);

    const joining = remote.join("0");
    await remote.client.asked(1);
    expect(await remote.lock("0", [0, 1, 2, 3])).toEqual([0, 1, 2, 3]);
    await joining;
    await remote.unlock("0", [0, 1, 2, 3]);
    const ofB = await b.consume();
    await engines.settle();
    const shared = remote.client.requests.length;
    await ofB.close();
    await engines.settle();
    await remote.client.asked(shared + 1);

    expect(await remote.lock("0", [0, 1, 2, 3])).toEqual([0, 1, 2, 3]);
  });

  it("stores progress of its own queues and none of those that another process has, and what failed of either", async () => {
    await using engines = await openEngines();
    const [a, b] = [await engines.open(), await engines.open()];
    await a.test.mq.admin.createTopic(TOPIC);
    await using remote = await RemoteConsumer.open(a);
    await remote.join("0");
    const held = new Promise<never>(() => undefined);
    const ofB = await b.consume({}, () => held);
    await engines.settle();
    for (let id = 0; id < 4; id += 1) await b.send(`${id}`, id);
    await engines.settle();
    const theirs = queueIdsOf(ofB)[0] as number;
    const own = [0, 1, 2, 3].find((id) => !queueIdsOf(ofB).includes(id)) as number;

    for (const id of [own, theirs]) {
      expect(await remote.sendBack(id)).toBe(0);
      expect(await remote.commit(id, 1)).toBe(0);
    }
    await engines.advance(1_000);

    expect(await retriesOf(a)).toEqual([`${own}`, `${theirs}`]);
    expect(await remote.progress(own)).toBe("1");
    // Nothing of it was stored yet, so that its owner began at 0.
    expect(await remote.progress(theirs)).toBe("0");
  });

  it("loses nothing that it says before it takes part again, or of queues that it took by itself", async () => {
    await using engines = await openEngines();
    const a = await engines.open();
    await a.test.mq.admin.createTopic(TOPIC);
    await a.test.mq.admin.createGroup(GROUP);
    await using remote = await RemoteConsumer.open(a);
    await a.send("a", 0);
    await engines.settle();

    expect(await remote.sendBack(0)).toBe(0);
    expect(await remote.commit(0, 1)).toBe(0);
    await engines.advance(1_000);

    expect(await retriesOf(a)).toEqual(["a"]);
    expect(await remote.progress(0)).toBe("1");
  });

  it("loses nothing that failed while its queue was still that of a process of which nothing is heard", async () => {
    await using engines = await openEngines();
    const [a, b] = [await engines.open(), await engines.open()];
    await a.test.mq.admin.createTopic(TOPIC);
    await b.consume();
    await engines.settle();
    b.clock.stall();
    await using remote = await RemoteConsumer.open(a);
    await remote.join("0");
    for (let id = 0; id < 4; id += 1) await a.send(`${id}`, id);
    await engines.settle();

    for (let id = 0; id < 4; id += 1) expect(await remote.sendBack(id)).toBe(0);
    await engines.advance(30_000);
    for (let id = 0; id < 4; id += 1) expect(await remote.commit(id, 1)).toBe(0);
    await engines.advance(1_000);

    const progress = await Promise.all([0, 1, 2, 3].map((id) => remote.progress(id)));
    expect(progress).toEqual(["1", "1", "1", "1"]);
    expect([...(await retriesOf(a))].sort()).toEqual(["0", "1", "2", "3"]);
    expect(b.received).toEqual([]);
  });

  it("stores what it says before it takes part again where the process that it took part in was killed", async () => {
    await using engines = await openEngines();
    const a = await engines.open();
    await a.test.mq.admin.createTopic(TOPIC);
    await using child = startChild("member.mjs", engines.path, GROUP, TOPIC, "x");
    await child.tells("assigned");
    await child.kill();
    await using remote = await RemoteConsumer.open(a);
    await a.send("a", 0);
    await engines.settle();

    expect(await remote.sendBack(0)).toBe(0);
    expect(await remote.commit(0, 1)).toBe(0);
    await engines.advance(1_000);

    expect(await retriesOf(a)).toEqual(["a"]);
    expect(await remote.progress(0)).toBe("1");
  });
});
