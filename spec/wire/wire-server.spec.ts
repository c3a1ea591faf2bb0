import { describe, expect, it } from "vitest";
import { MqError } from "../../lib/index.js";
import { encodeCommand, FLAG, type RemotingCommand, toResponse } from "../../lib/wire/remoting-command.js";
import { type ConnectionLimits, REQUEST_OVERHEAD, type WireConnection } from "../../lib/wire/wire-connection.js";
import { type RequestHandler, WireServer } from "../../lib/wire/wire-server.js";
import { loadFacts } from "../support/facts.js";
import { VirtualClock } from "../support/virtual-clock.js";
import { WireClient } from "../support/wire-client.js";

const ECHO = 1_000;
const HELD = 1_001;
const FAILS = 1_002;
const LARGE = 1_003;

interface TestServer extends AsyncDisposable {
  readonly server: WireServer;
  readonly port: number;
  readonly clock: VirtualClock;
  readonly logged: readonly string[];
  readonly connections: readonly WireConnection[];
  readonly closed: readonly WireConnection[];
  /** Of requests that are held, in their order. */
  readonly held: (() => void)[];
}

async function openServer(limits?: Partial<ConnectionLimits>): Promise<TestServer> {
  const clock = new VirtualClock();
  const logged: string[] = [];
  const closed: WireConnection[] = [];
  const connections: WireConnection[] = [];
  const held: (() => void)[] = [];
  const handlers = new Map<number, RequestHandler>([
    [
      ECHO,
      ({ body, fields }, connection) => {
        connections.push(connection);
        return { code: 0, body, fields };
      },
    ],
    [HELD, () => new Promise((resolve) => held.push(() => resolve({ code: 0 })))],
    [
      FAILS,
      ({ body }) => {
        throw body.length === 0 ? new TypeError("a fault") : new MqError("ERR_MQ_TOPIC_NOT_FOUND", body.toString());
      },
    ],
    [
      LARGE,
      async (request, connection) =>
        (await connection.roomToAnswer(request)) ? { code: 0, body: Buffer.alloc(4_000_000) } : undefined,
    ],
  ]);
  const usual = { pendingBytes: 2 ** 25, unsentBytes: 2 ** 20, maxUnsentBytes: 2 ** 26 };
  const server = new WireServer({
    ...{ handlers, steady: clock, limits: { ...usual, ...limits } },
    closed: (connection) => void closed.push(connection),
    log: (text) => void logged.push(text),
  });
  const port = await server.listen("127.0.0.1", 0);
  return {
    ...{ server, port, clock, logged, connections, closed, held },
    [Symbol.asyncDispose]: async () => {
      await server.close();
      expect(server.connectionCount).toBe(0);
      expect(clock.pendingTimers).toBe(0);
    },
  };
}

describe("a server of the remoting protocol", () => {
  it("answers each request under its opaque, in whatever order they are done", async () => {
    await using test = await openServer();
    await using client = await WireClient.open(test.port);
    const order: string[] = [];

    const slow = client.ask({ code: HELD }).then(() => order.push("slow"));
    const fast = await client.ask({ code: ECHO, body: Buffer.from("b"), fields: new Map([["a", "1"]]) });
    order.push("fast");
    test.held[0]?.();
    await slow;

    expect(fast).toMatchObject({ code: 0, body: Buffer.from("b"), fields: new Map([["a", "1"]]) });
    expect(order).toEqual(["fast", "slow"]);
  });

  it.each(["raw-unknown-request-code", "namesrv-unknown-code"])(
    "answers a code that it does not know as RocketMQ does, and logs its name: %s",
    async (fact) => {
      const { code, remark } = loadFacts("validation").observed<{ readonly code: number; readonly remark: string }>(
        fact,
      );
      const asked = Number(/\d+/.exec(remark)?.[0]);
      await using test = await openServer();
      await using client = await WireClient.open(test.port);

      expect(await client.ask({ code: asked })).toMatchObject({ code, remark });
      const name = asked === 10 ? "SEND_MESSAGE" : "unknown";
      expect(test.logged).toEqual([expect.stringContaining(`${name} (${asked}) is not supported`)]);
    },
  );

  it("answers a request that fails with the code of the error, and a fault of its own with 1, which it logs", async () => {
    await using test = await openServer();
    await using client = await WireClient.open(test.port);

    expect(await client.ask({ code: FAILS, body: Buffer.from("no such topic") })).toMatchObject({
      code: 17,
      remark: "no such topic",
    });
    expect(test.logged).toEqual([]);
    expect(await client.ask({ code: FAILS })).toMatchObject({ code: 1, remark: "the request failed" });
    expect(test.logged).toEqual([expect.stringContaining("a fault")]);
  });

  it("answers no one-way request, not even one that fails or that it does not know", async () => {
    await using test = await openServer();
    await using client = await WireClient.open(test.port);
    const responses: Promise<RemotingCommand>[] = [];
    for (const code of [ECHO, FAILS, 9_999]) responses.push(client.ask({ code }, { flag: FLAG.ONE_WAY }));

    await client.ask({ code: ECHO });

    expect(await Promise.race([...responses, "none"])).toBe("none");
  });

  it("asks clients under opaques of its own, ignores what nobody asked for, and fails what is not answered when the connection ends", async () => {
    await using test = await openServer();
    await using client = await WireClient.open(test.port);
    await client.ask({ code: ECHO });
    const [connection] = test.connections as [WireConnection];

    const answered = connection.ask({ code: 307 });
    connection.tell({ code: 40 });
    const unanswered = connection.ask({ code: 309 }).catch((error: unknown) => error);
    const requests = await client.asked(3);
    client.write(encodeCommand(toResponse({ opaque: 77 }, { code: 0 })));
    client.write(encodeCommand(toResponse(requests[0] as RemotingCommand, { code: 0, remark: "mine" })));
    const answer = await answered;
    client.socket.destroy();

    expect(requests.map(({ code, flag }) => [code, flag])).toEqual([
      [307, 0],
      [40, FLAG.ONE_WAY],
      [309, 0],
    ]);
    expect(answer).toMatchObject({ code: 0, remark: "mine" });
    expect(await unanswered).toMatchObject({ code: "ERR_MQ_CLOSED" });
    await expect(connection.ask({ code: 307 })).rejects.toMatchObject({ code: "ERR_MQ_CLOSED" });
  });

  it("knows both ends of a connection", async () => {
    await using test = await openServer();
    await using client = await WireClient.open(test.port);
    await client.ask({ code: ECHO });

    const [connection] = test.connections;
    expect(connection?.local).toEqual({ host: "127.0.0.1", port: test.port });
    expect(connection?.remote).toEqual({ host: "127.0.0.1", port: client.socket.localPort });
  });

  it("refuses a port that is taken and a host that is not this machine's", async () => {
    await using test = await openServer();

    for (const [host, port] of [
      ["127.0.0.1", test.port],
      ["192.0.2.1", 0],
    ] as const)
      await expect(test.server.listen(host, port)).rejects.toMatchObject({ code: "ERR_MQ_INVALID_ARGUMENT" });
  });
});

describe("a connection that is not as it should be", () => {
  it.each([
    ["a frame that is too long", Buffer.from("7fffffff", "hex")],
    ["a negative length", Buffer.from("ffffffff", "hex")],
    ["a header that does not fit", Buffer.from("000000040000ffff", "hex")],
    ["a header that is no JSON", Buffer.concat([Buffer.from("0000000800000004", "hex"), Buffer.from("{no}")])],
    ["another protocol", Buffer.from("GET / HTTP/1.1\r\n\r\n")],
  ])("is closed alone, with a line in the log: %s", async (_name, bytes) => {
    await using test = await openServer();
    await using other = await WireClient.open(test.port);
    await using client = await WireClient.open(test.port);

    client.write(bytes);
    await client.closed();

    expect(await other.ask({ code: ECHO })).toMatchObject({ code: 0 });
    expect(test.logged).toEqual([expect.stringContaining("is closed")]);
    expect(test.closed).toHaveLength(1);
  });

  it("is closed when nothing is heard of it for 120 s, and not before", async () => {
    await using test = await openServer();
    await using silent = await WireClient.open(test.port);
    await silent.ask({ code: ECHO });
    await using lively = await WireClient.open(test.port);

    for (let heartbeat = 0; heartbeat < 4; heartbeat += 1) {
      await lively.ask({ code: ECHO });
      await test.clock.advance(30_000);
      expect(test.server.connectionCount).toBe(2);
    }
    await test.clock.advance(10_000);
    await silent.closed();

    expect(await lively.ask({ code: ECHO })).toMatchObject({ code: 0 });
    expect(test.server.connectionCount).toBe(1);
  });
});

describe("a client that asks for more than it takes, or than is done", () => {
  it("is not read from while too many of its requests are not answered", async () => {
    await using test = await openServer({ pendingBytes: 10 * REQUEST_OVERHEAD });
    await using client = await WireClient.open(test.port);
    const answers = Array.from({ length: 50 }, () => client.ask({ code: HELD, body: Buffer.alloc(100_000) }));
    let answered = 0;
    let most = 0;

    while (answered < answers.length) {
      if (test.held.length === 0) {
        await new Promise((resolve) => setImmediate(resolve));
        continue;
      }
      most = Math.max(most, test.held.length);
      test.held.shift()?.();
      await answers[answered];
      answered += 1;
    }

    expect(await client.ask({ code: ECHO })).toMatchObject({ code: 0 });
    // Those of the chunk that was being read when it was enough.
    expect(most).toBeLessThan(5);
  });

  it("gets large answers one after the other, and takes no more memory than for one", async () => {
    await using test = await openServer();
    await using client = await WireClient.open(test.port);
    await client.ask({ code: ECHO });
    client.socket.pause();
    const answers = Array.from({ length: 40 }, () => client.ask({ code: LARGE }));
    await using other = await WireClient.open(test.port);
    for (let round = 0; round < 100; round += 1) await other.ask({ code: ECHO });
    expect(test.server.connectionCount).toBe(2);

    client.socket.resume();

    for (const answer of answers) expect((await answer).body).toHaveLength(4_000_000);
  });

  it("goes away without a word, and no line in the log", async () => {
    await using test = await openServer();
    const client = await WireClient.open(test.port);
    await client.ask({ code: ECHO });

    client.socket.resetAndDestroy();
    while (test.closed.length === 0) await new Promise((resolve) => setImmediate(resolve));

    expect(test.logged).toEqual([]);
  });

  it("is given up when it takes nothing of what it is told", async () => {
    await using test = await openServer({ maxUnsentBytes: 2 ** 20 });
    await using client = await WireClient.open(test.port);
    await client.ask({ code: ECHO });
    client.socket.pause();
    const [connection] = test.connections as [WireConnection];

    for (let told = 0; told < 200; told += 1) connection.tell({ code: 39, body: Buffer.alloc(100_000) });
    while (test.closed.length === 0) await new Promise((resolve) => setImmediate(resolve));

    expect(test.closed).toEqual([connection]);
    expect(test.logged).toEqual([expect.stringContaining("has not taken")]);
  });
});
