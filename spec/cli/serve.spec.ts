import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { describe, expect, it } from "vitest";
import { openBroker } from "../../lib/index.js";
import type { RemotingCommand } from "../../lib/wire/remoting-command.js";
import { tempFolder } from "../support/temp-folder.js";
import { WireClient } from "../support/wire-client.js";
import { type CliRun, ended, runCli, startCli } from "./run-cli.js";

const FREE = ["--nameserver-port", "0", "--broker-port", "0"] as const;

interface Ready {
  readonly nameserver: string;
  readonly broker: string;
  readonly store: string;
  readonly pid: number;
}

async function ready(child: ChildProcessWithoutNullStreams): Promise<Ready> {
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  return JSON.parse(line.toString()) as Ready;
}

const portOf = (address: string): number => Number(address.slice(address.lastIndexOf(":") + 1));

function send(client: WireClient, topic: string, body: string, changes: object = {}): Promise<RemotingCommand> {
  const fields = { b: topic, c: "TBW102", d: "1", e: "0", f: "0", g: "1", h: "0", ...changes };
  return client.ask({ code: 310, fields: new Map(Object.entries(fields)), body: Buffer.from(body) });
}

async function refused(...args: readonly string[]): Promise<CliRun> {
  using folder = tempFolder();
  return await runCli(["serve", ...args], { tmpdir: folder.path });
}

describe("pocketmq serve", () => {
  it("says in one line where it is, lets clients in, and ends with 0 when it is told to", async () => {
    using folder = tempFolder();
    const child = startCli(["serve", ...FREE], folder.path);
    const ending = ended(child);
    const { nameserver, broker, store, pid } = await ready(child);
    const client = await WireClient.open(portOf(nameserver));

    const route = await client.ask({ code: 105, fields: new Map([["topic", "TBW102"]]) });
    child.kill("SIGTERM");
    const { exit, stdout, stderr } = await ending;

    expect(route.body.toString()).toContain(`"${broker}"`);
    expect({ exit, store, pid, stderr }).toEqual({ exit: 0, store: ":memory:", pid: child.pid, stderr: "" });
    expect(stdout.trimEnd().split("\n")).toHaveLength(1);
    await client.closed();
  });

  it("keeps what was sent in its store, which others have open at the same time", async () => {
    using folder = tempFolder();
    const path = folder.file("a.db");
    const child = startCli(["serve", ...FREE, "--store", path, "--flush", "async"], folder.path);
    const ending = ended(child);
    const { broker, store } = await ready(child);
    {
      await using client = await WireClient.open(portOf(broker));
      expect((await send(client, "orders", "a")).code).toBe(0);
    }
    await using mq = await openBroker(path);
    const texts = async (): Promise<readonly string[]> =>
      (await mq.admin.browse({ topic: "orders", brokerName: "broker-a", queueId: 0 }, 0, 9)).map((message) =>
        message.text(),
      );
    const meanwhile = await texts();
    child.kill("SIGINT");

    expect(await ending).toMatchObject({ exit: 0, stderr: "" });
    expect(store).toBe(path);
    expect([meanwhile, await texts()]).toEqual([["a"], ["a"]]);
  });

  it("takes a configuration of RocketMQ, before which its options count, and warns of keys without effect", async () => {
    using folder = tempFolder();
    const file = folder.file("broker.conf");
    writeFileSync(file, "brokerClusterName=Other\nlistenPort=1\nbrokerIP1=192.0.2.1\nbrokerRole=ASYNC_MASTER\n");
    const child = startCli(["serve", ...FREE, "--config", file], folder.path);
    const ending = ended(child);
    const { broker } = await ready(child);
    {
      await using client = await WireClient.open(portOf(broker));
      const cluster = (await client.ask({ code: 106 })).body.toString();
      expect(cluster).toContain('"Other"');
      expect(cluster).toContain(`192.0.2.1:${portOf(broker)}`);
    }
    child.kill("SIGTERM");

    expect(await ending).toMatchObject({
      exit: 0,
      stderr: `pocketmq warning: ${file}: brokerRole is without effect here\n`,
    });
  });

  it("has RocketMQ's quirks, such as that a transaction that has ended cannot be ended again", async () => {
    using folder = tempFolder();
    const child = startCli(["serve", ...FREE], folder.path);
    const ending = ended(child);
    const { broker } = await ready(child);
    await using client = await WireClient.open(portOf(broker));
    const id = "A".repeat(32);
    const half = await send(client, "orders", "a", {
      f: "4",
      i: `TRAN_MSG\u0001true\u0002PGROUP\u0001p\u0002UNIQ_KEY\u0001${id}\u0002`,
    });
    const place = {
      tranStateTableOffset: half.fields?.get("queueOffset") as string,
      commitLogOffset: `${BigInt(`0x${half.fields?.get("msgId")?.slice(16)}`)}`,
    };
    const commit = { producerGroup: "p", ...place, commitOrRollback: "8", msgId: id, transactionId: id };
    const end = (): Promise<RemotingCommand> => client.ask({ code: 37, fields: new Map(Object.entries(commit)) });

    const codes = [(await end()).code, (await end()).code];
    child.kill("SIGTERM");

    expect(codes).toEqual([0, 1]);
    expect((await ending).exit).toBe(0);
  });

  it("answers what it does not know with 3, and names it on stderr", async () => {
    using folder = tempFolder();
    const child = startCli(["serve", ...FREE], folder.path);
    const ending = ended(child);
    const { broker } = await ready(child);
    await using client = await WireClient.open(portOf(broker));

    const unknown = await client.ask({ code: 370 });
    child.kill("SIGTERM");

    expect(unknown).toMatchObject({ code: 3, remark: " request type 370 not supported" });
    expect((await ending).stderr).toMatch(/warning: connection of 127\.0\.0\.1:\d+: .*370.* is not supported/);
  });

  it.each([
    [["--stroe", "a"], "serve: Unknown option '--stroe'; it has --memory, --store, "],
    [["--store", ""], "--store must not be empty"],
    [["--memory", "--store", "a.db"], "--memory and --store exclude each other"],
    [["--flush", "sync"], "--flush needs --store FILE"],
    [["--store", "a.db", "--flush", "never"], '--flush must be sync or async, got "never"'],
    [["--broker-port", "x"], '--broker-port must be a port from 0 to 65535, got "x"'],
    [["--nameserver-port", "65536"], '--nameserver-port must be a port from 0 to 65535, got "65536"'],
    [["--host", "0.0.0.0"], "host must be 127.0.0.1 or ::1 unless allowRemote is true"],
    [["--advertise", "example.com"], "advertise must be an IP address"],
    [["--config", "none.conf"], "--config cannot be read: ENOENT"],
  ] as const)("refuses %j as a wrong command line", async (args, message) => {
    const { exit, stdout, stderr } = await refused(...args);

    expect(stderr).toContain(message);
    expect({ exit, stdout }).toEqual({ exit: 2, stdout: "" });
  });

  it("fails with 1 where a port is taken or the store cannot be opened", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as { readonly port: number };

    const taken = await refused("--nameserver-port", `${port}`, "--broker-port", "0");
    const unopened = await refused(...FREE, "--store", "/dev/null/a.db");
    other.close();

    expect(taken).toMatchObject({ exit: 1, stdout: "" });
    expect(taken.stderr).toContain(`cannot listen on 127.0.0.1:${port}`);
    expect(unopened).toMatchObject({ exit: 1, stdout: "" });
  });
});
