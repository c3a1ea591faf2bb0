import { isIP, isIPv6 } from "node:net";
import type { GroupInfo } from "../admin/admin.js";
import type { EmbeddedClientContext } from "../client/client-context.js";
import { type Broker, type BrokerServer, servedBroker } from "../embedded-broker.js";
import { isMqError } from "../errors.js";
import { booleanOption, describe, integerOption, invalid, kindOf, refuseUnknownOptions } from "../options.js";
import { allRequests } from "./all-requests.js";
import type { MessageHost } from "./stored-message.js";
import type { WireConnection } from "./wire-connection.js";
import { WireServer } from "./wire-server.js";

/** Where clients find the broker. */
export interface ServeOptions {
  /** An IP address of this machine. @defaultValue "127.0.0.1" */
  readonly host?: string | undefined;
  /** Where clients ask for routes; 0: a free one. @defaultValue 9876 */
  readonly nameserverPort?: number | undefined;
  /** Where clients send to and consume from; 0: a free one. Those of RocketMQ before 4.5 also use the one two below. @defaultValue 10911 */
  readonly brokerPort?: number | undefined;
  /**
   * Where clients are told that the broker is, `address` or `address:port`: an IP address, as clients in Java take no other. @defaultValue the address through which a client came,
   * with `brokerPort`
   */
  readonly advertise?: string | undefined;
  /** Whether `host` may be another address than one of this machine for itself: whoever reaches it may send, consume and create topics. @defaultValue false */
  readonly allowRemote?: boolean | undefined;
}

/** Ports that are listened on. */
export interface WireService extends AsyncDisposable {
  /** `address:port`, for `namesrvAddr` of a client. */
  readonly nameserver: string;
  /** The same of the broker, which clients are told by themselves. */
  readonly broker: string;
  /** Closes all connections, and resolves once nobody listens any more. The broker goes on. Every call returns the same promise. */
  close(): Promise<void>;
}

const LOOPBACK = /^(?:127\.\d+\.\d+\.\d+|::1)$/;
/** Old clients find RocketMQ's second port so far below the first. */
const VIP_DISTANCE = 2;
/** How often free ports are tried, of which the one two below is taken. */
const MAX_ATTEMPTS = 20;

/**
 * Lets clients of RocketMQ's remoting protocol in, as a name server and a broker do, beside those in process: on the same topics, in the same groups. What a client was told is stored is stored as a send in process
 * is, and a queue that is locked is never with two consumers, wherever they are. Every port answers alike; codes that are not supported are answered with 3 and logged as a warning.
 *
 * Resolves once clients can come. A client whose frame is malformed, who is silent for 120 s, or does not take what it is sent loses its connection, and nobody else notices. With the profile `"rocketmq"`
 * the broker behaves most like the one that stands in production; lib/wire/COMPATIBILITY.md says where they differ.
 *
 * Source: RocketMQ 5.3.3, `namesrv/.../processor/DefaultRequestProcessor.java`, `broker/.../BrokerController.java`, `registerProcessor`.
 *
 * @param mq - goes on when the service is closed; the service is closed when it is.
 * @throws `MqError` rejects with `ERR_MQ_INVALID_ARGUMENT` for a malformed option, a host that is not this machine's, and a port that is taken (then `cause` is the system's error); with `ERR_MQ_CLOSED` for a
 * broker that is closed, or is before anybody listens.
 */
export async function serve(mq: Broker, options: ServeOptions = {}): Promise<WireService> {
  const served = servedBroker(mq);
  if (served === undefined) throw invalid(`serve needs a broker of openBroker or openTestBroker, got ${kindOf(mq)}`);
  const { host, nameserverPort, brokerPort, advertise } = resolve(options);
  let listening = brokerPort;
  const requestsOf = ({ port, clock, chance, steady, ids }: EmbeddedClientContext): ReturnType<typeof allRequests> =>
    allRequests({
      ...{ port, admin: mq.admin, chance, steady, newId: () => ids.next(clock.now()) },
      hostFor: ({ local }: WireConnection) => advertise?.(listening) ?? { host: local.host, port: listening },
      findGroup: (group) => findGroup(mq, group),
    });
  let { context } = served;
  const { steady } = context;
  const server = new WireServer({ ...requestsOf(context), steady, log: (text) => context.logger.warn(text) });
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    served.servers.delete(ofBroker);
    closing ??= server.close();
    return closing;
  };
  const ofBroker: BrokerServer = {
    close,
    suspend: () => server.suspend(),
    goOn: (next) => {
      context = next;
      server.goOn(requestsOf(next));
    },
  };
  // From now on: the broker may be closed before anybody listens.
  served.servers.add(ofBroker);
  try {
    listening = await listenTwice(server, host, brokerPort);
    const nameserver = await server.listen(host, nameserverPort);
    return {
      nameserver: toAddress(host, nameserver),
      broker: toAddress(host, listening),
      close,
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** On the port of the broker and on the one that old clients use. */
async function listenTwice(server: WireServer, host: string, wanted: number): Promise<number> {
  for (let attempt = 1; ; attempt += 1) {
    const port = await server.listen(host, wanted);
    try {
      await server.listen(host, port - VIP_DISTANCE);
      return port;
    } catch (error) {
      if (wanted !== 0 || attempt === MAX_ATTEMPTS || isMqError(error, "ERR_MQ_CLOSED")) throw error;
    }
  }
}

async function findGroup({ admin }: Broker, group: string): Promise<GroupInfo | undefined> {
  try {
    return await admin.getGroup(group);
  } catch (error) {
    if (isMqError(error, "ERR_MQ_GROUP_NOT_FOUND") || isMqError(error, "ERR_MQ_INVALID_ARGUMENT")) return undefined;
    throw error;
  }
}

interface ResolvedServeOptions {
  readonly host: string;
  readonly nameserverPort: number;
  readonly brokerPort: number;
  /** Given the port that is listened on. */
  readonly advertise: ((port: number) => MessageHost) | undefined;
}

function resolve(options: ServeOptions): ResolvedServeOptions {
  const known = ["host", "nameserverPort", "brokerPort", "advertise", "allowRemote"] as const;
  refuseUnknownOptions("ServeOptions", options, known);
  const { host = "127.0.0.1", advertise } = options;
  if (typeof host !== "string" || isIP(host) === 0) throw invalid(`host must be an IP address, got ${describe(host)}`);
  if (!LOOPBACK.test(host) && !booleanOption("allowRemote", options.allowRemote, false))
    throw invalid(`host must be 127.0.0.1 or ::1 unless allowRemote is true, got ${describe(host)}`);
  const ports = { min: 0, max: 65_535 };
  const brokerPort = integerOption("brokerPort", options.brokerPort, { ...ports, fallback: 10_911 });
  if (brokerPort > 0 && brokerPort <= VIP_DISTANCE)
    throw invalid(
      `brokerPort must be 0 or from ${VIP_DISTANCE + 1} on, as the one two below is used too, got ${brokerPort}`,
    );
  return {
    host,
    nameserverPort: integerOption("nameserverPort", options.nameserverPort, { ...ports, fallback: 9_876 }),
    brokerPort,
    advertise: advertise === undefined ? undefined : parseAdvertised(advertise),
  };
}

function parseAdvertised(advertise: unknown): (port: number) => MessageHost {
  const text = typeof advertise === "string" ? advertise : "";
  if (isIP(text) !== 0) return (listening) => ({ host: text, port: listening });
  const url = URL.canParse(`tcp://${text}`) ? new URL(`tcp://${text}`) : undefined;
  const host = url?.hostname.replace(/^\[(.*)\]$/, "$1") ?? "";
  const port = Number(url?.port);
  if (url?.host !== text || isIP(host) === 0 || port === 0)
    throw invalid(`advertise must be an IP address with or without a port, got ${describe(advertise)}`);
  return () => ({ host, port });
}

function toAddress(host: string, port: number): string {
  return `${isIPv6(host) ? `[${host}]` : host}:${port}`;
}
