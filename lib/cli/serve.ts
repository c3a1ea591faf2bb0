import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import type { BrokerSettings } from "../broker-options.js";
import { isMqError, openBroker } from "../index.js";
import { type ServeOptions, serve } from "../wire/serve.js";
import { type BrokerConf, parseBrokerConf } from "./broker-conf.js";
import { CommandError, usageError } from "./command-error.js";
import type { Command } from "./command-line.js";
import type { Terminal } from "./terminal.js";

const HELP = `pocketmq serve [OPTIONS]

Stands in for a name server and a broker of Apache RocketMQ: unmodified clients of its remoting protocol (4.x, and the remoting ones
of 5.x) find it at 127.0.0.1:9876. Says so in one line of JSON when they can come, and goes on until it is ended:

  {"nameserver":"127.0.0.1:9876","broker":"127.0.0.1:10911","store":":memory:","pid":4711}

  --memory                keeps messages in memory (the default)
  --store FILE            keeps them in this file, which is made where it is missing
  --flush sync|async      what an answered send to a file survives: a loss of power (the default), or a crash of the process
  --nameserver-port PORT  where clients ask for routes, 0: a free one (default: 9876)
  --broker-port PORT      where they send to and consume from, 0: a free one (default: 10911); the one two below is listened on, too
  --host ADDRESS          an IP address of this machine to listen on (default: 127.0.0.1)
  --advertise ADDRESS     where clients are told that the broker is, an IP address with or without a port (default: the address through
                          which each came)
  --allow-remote          lets --host be another one than of this machine for itself: whoever reaches it may do everything
  --config FILE           a broker.conf of RocketMQ; options count before it, and keys without effect here are named in a warning
  --help                  this text

Warnings and errors go to stderr. Exit code: 0 ended by SIGTERM or SIGINT and closed cleanly, 1 a port is taken or the store cannot be used, 2 wrong
options or configuration.
`;

const OPTIONS = {
  memory: { type: "boolean" },
  store: { type: "string" },
  flush: { type: "string" },
  "nameserver-port": { type: "string" },
  "broker-port": { type: "string" },
  host: { type: "string" },
  advertise: { type: "string" },
  "allow-remote": { type: "boolean" },
  config: { type: "string" },
} as const;

const KNOWN_OPTIONS = Object.keys(OPTIONS)
  .map((name) => `--${name}`)
  .join(", ");

const SYNCHRONOUS = { sync: "full", async: "normal" } as const;
const NO_CONF: BrokerConf = { broker: {}, serve: {}, withoutEffect: [] };

interface ServeCommand {
  readonly path: string;
  readonly broker: BrokerSettings;
  readonly serve: ServeOptions;
  /** Keys of the configuration, and its file. */
  readonly withoutEffect: readonly string[];
  readonly config: string | undefined;
}

export const serveCommand: Command = {
  name: "serve",
  summary: "stands in for a name server and a broker of Apache RocketMQ",
  help: HELP,
  run: (args, terminal) => run(parseOptions(args), terminal),
};

async function run(command: ServeCommand, { stdout, stderr, signal }: Terminal): Promise<number> {
  const { path, withoutEffect, config } = command;
  for (const key of withoutEffect) stderr.write(`pocketmq warning: ${config}: ${key} is without effect here\n`);
  try {
    await using mq = await openBroker({ path, profile: "rocketmq", ...command.broker });
    const { nameserver, broker } = await serve(mq, command.serve);
    stdout.write(`${JSON.stringify({ nameserver, broker, store: path, pid: process.pid })}\n`);
    await aborted(signal);
  } catch (error) {
    // What the system refuses has a cause; what else is malformed was asked for.
    if (isMqError(error, "ERR_MQ_INVALID_ARGUMENT") && error.cause === undefined)
      throw usageError(config === undefined ? error.message : `${error.message} (options or ${config})`, "serve");
    throw error;
  }
  return 0;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

function parseOptions(args: readonly string[]): ServeCommand {
  const { values } = parse(args);
  for (const [name, value] of Object.entries(values))
    if (value === "") throw usageError(`--${name} must not be empty`, "serve");
  const { memory = false, store, flush, config } = values;
  if (memory && store !== undefined) throw usageError("--memory and --store exclude each other", "serve");
  if (flush !== undefined && !isFlush(flush))
    throw usageError(`--flush must be sync or async, got ${JSON.stringify(flush)}`, "serve");
  if (flush !== undefined && store === undefined)
    throw usageError("--flush needs --store FILE: in memory nothing is flushed", "serve");
  const conf = config === undefined ? NO_CONF : readConf(config);
  const nameserverPort = portOption("nameserver-port", values["nameserver-port"]);
  const brokerPort = portOption("broker-port", values["broker-port"]);
  const { host, advertise, "allow-remote": allowRemote } = values;
  return {
    path: store === undefined ? ":memory:" : resolve(store),
    broker: { ...conf.broker, ...(flush !== undefined && { synchronous: SYNCHRONOUS[flush] }) },
    serve: {
      host: host ?? conf.serve.host,
      advertise: advertise ?? conf.serve.advertise,
      brokerPort: brokerPort ?? conf.serve.brokerPort,
      ...{ nameserverPort, allowRemote },
    },
    withoutEffect: conf.withoutEffect,
    config,
  };
}

function readConf(file: string): BrokerConf {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new CommandError(`--config cannot be read: ${(error as Error).message}`, 2, { cause: error });
  }
  try {
    return parseBrokerConf(text);
  } catch (error) {
    throw new CommandError(`${file}: ${(error as Error).message}`, 2, { cause: error });
  }
}

function isFlush(text: string): text is keyof typeof SYNCHRONOUS {
  return Object.hasOwn(SYNCHRONOUS, text);
}

function portOption(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const port = Number(text);
  if (/^\d+$/.test(text) && port <= 65_535) return port;
  throw usageError(`--${name} must be a port from 0 to 65535, got ${JSON.stringify(text)}`, "serve");
}

function parse(args: readonly string[]): ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>> {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, strict: true });
  } catch (error) {
    // Node's hints about "--" do not help here; its first sentence says what is wrong.
    const [what = ""] = (error as Error).message.split(/\.(?:\s|$)/);
    throw usageError(`serve: ${what}; it has ${KNOWN_OPTIONS}`, "serve");
  }
}
