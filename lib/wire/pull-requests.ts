import type { BrokerPort, PullRequest, PullResult, TopicRoute } from "../broker/broker-port.js";
import { isMqError, MqError } from "../errors.js";
import { PERM } from "../message/system-topics.js";
import { noGroup, noTopicToPull, notReadable, pullQueueOutOfRange, subscriptionRefused } from "./broker-remarks.js";
import { encodeView } from "./encode-view.js";
import { refusalOf } from "./refusal.js";
import type { RemotingCommand } from "./remoting-command.js";
import { REQUEST_CODES } from "./request-codes.js";
import { type HeaderOf, int, long, optional, type RequestRow, requestRow, text } from "./request-header.js";
import { RESPONSE_CODES } from "./response-codes.js";
import type { MessageHost } from "./stored-message.js";
import type { Answer, WireConnection } from "./wire-connection.js";
import type { WireMembers } from "./wire-members.js";

export interface PullParts {
  readonly port: Pick<BrokerPort, "clusterName" | "findRoute" | "pull" | "updateOffset">;
  readonly members: Pick<WireMembers, "has" | "messageModelOf" | "subscriptionVersionOf">;
  readonly hasGroup: (group: string) => Promise<boolean>;
  /** Where the client of this connection reaches the broker. */
  readonly hostFor: (connection: WireConnection) => MessageHost;
}

const HEADER = {
  group: text("consumerGroup"),
  topic: text("topic"),
  queueId: int("queueId"),
  queueOffset: long("queueOffset"),
  maxMsgNums: int("maxMsgNums"),
  sysFlag: int("sysFlag"),
  commitOffset: long("commitOffset"),
  suspendTimeoutMillis: long("suspendTimeoutMillis"),
  subscription: optional(text("subscription")),
  subVersion: long("subVersion"),
  expressionType: optional(text("expressionType")),
  maxMsgBytes: optional(int("maxMsgBytes")),
} as const;

type PullHeader = HeaderOf<typeof HEADER>;

/** Source: RocketMQ 5.3.3, `common/.../sysflag/PullSysFlag.java`. */
const PULL_FLAG = { COMMIT_OFFSET: 1, SUSPEND: 2, SUBSCRIPTION: 4 } as const;
/** RocketMQ's `maxTransferCountOnMessageInMemory` and `maxTransferBytesOnMessageInMemory`; one message always goes. */
const [MAX_MESSAGES, MAX_BYTES] = [32, 262_144] as const;
/** No client waits so long for an answer. */
const MAX_SUSPEND_MS = 120_000;

const CODES: Readonly<Record<PullResult["status"], number>> = {
  FOUND: RESPONSE_CODES.SUCCESS,
  NO_NEW_MSG: RESPONSE_CODES.PULL_NOT_FOUND,
  NO_MATCHED_MSG: RESPONSE_CODES.PULL_RETRY_IMMEDIATELY,
  OFFSET_ILLEGAL: RESPONSE_CODES.PULL_OFFSET_MOVED,
};

/**
 * Messages for clients that pull, which wait for them where there are none.
 *
 * Source: RocketMQ 5.3.3, `broker/.../processor/PullMessageProcessor.java`, `DefaultPullMessageResultHandler.java`.
 */
export function pullRequests(parts: PullParts): readonly RequestRow[] {
  const pulls = new PullRequests(parts);
  const handle = (header: PullHeader, request: RemotingCommand, connection: WireConnection): Promise<Answer> =>
    pulls.answer(header, request, connection);
  return [
    requestRow(REQUEST_CODES.PULL_MESSAGE, HEADER, handle),
    requestRow(REQUEST_CODES.LITE_PULL_MESSAGE, HEADER, handle),
  ];
}

class PullRequests {
  readonly #parts: PullParts;

  constructor(parts: PullParts) {
    this.#parts = parts;
  }

  async answer(header: PullHeader, request: RemotingCommand, connection: WireConnection): Promise<Answer> {
    const { port } = this.#parts;
    try {
      this.#check(header, connection);
      const pulling = port.pull(this.#toPull(header), connection.ended);
      const [result] = await Promise.all([pulling, this.#commitOffset(header)]);
      if (!(await connection.roomToAnswer(request))) return undefined;
      return this.#found(header, result, connection);
    } catch (error) {
      const refusal = refusalOf(withRemark(error, header));
      if (refusal === undefined) throw error;
      const fields = isMqError(error, "ERR_MQ_NO_PERMISSION") ? TOPIC_FORBIDDEN : NO_FIELDS;
      return { ...refusal, fields };
    }
  }

  /** In RocketMQ's order behind the group: topic, queue, subscription. */
  #check(header: PullHeader, connection: WireConnection): void {
    const { port, members } = this.#parts;
    const { group, topic, queueId, sysFlag, subVersion, expressionType = "TAG" } = header;
    const route = port.findRoute(topic);
    if (route === undefined) throw noTopicToPull(topic);
    if ((route.perm & PERM.READ) === 0) throw notReadable(topic);
    if (!hasQueue(route, queueId)) throw pullQueueOutOfRange(queueId, route, connection.remote);
    if (expressionType !== "TAG")
      throw new MqError(
        "ERR_MQ_INVALID_ARGUMENT",
        `The broker does not support consumer to filter message by ${expressionType}`,
        {
          responseCode: RESPONSE_CODES.SYSTEM_ERROR,
        },
      );
    if ((sysFlag & PULL_FLAG.SUBSCRIPTION) !== 0) return;
    if (!members.has(group)) throw subscriptionRefused("the consumer's group info not exist");
    const version = members.subscriptionVersionOf(group, topic);
    if (version === undefined) throw subscriptionRefused("the consumer's subscription not exist");
    // The next heartbeat brings it; by the old one messages would be passed over that the new one lets through.
    if (version < subVersion)
      throw new MqError("ERR_MQ_SUBSCRIPTION", "the consumer's subscription not latest", {
        responseCode: RESPONSE_CODES.SUBSCRIPTION_NOT_LATEST,
      });
  }

  #toPull(header: PullHeader): PullRequest {
    const { group, topic, queueId, queueOffset, maxMsgNums, sysFlag, maxMsgBytes = MAX_BYTES } = header;
    const isSuspended = (sysFlag & PULL_FLAG.SUSPEND) !== 0;
    return {
      ...{ group, topic, queueId, offset: queueOffset },
      maxMessages: Math.min(Math.max(maxMsgNums, 1), MAX_MESSAGES),
      maxBytes: Math.min(Math.max(maxMsgBytes, 1), MAX_BYTES),
      expression: (sysFlag & PULL_FLAG.SUBSCRIPTION) === 0 ? undefined : (header.subscription ?? "*"),
      messageModel: this.#parts.members.messageModelOf(group),
      suspendMs: isSuspended ? Math.min(Math.max(header.suspendTimeoutMillis, 0), MAX_SUSPEND_MS) : 0,
    };
  }

  /** A push consumer tells with a pull how far it has come. */
  async #commitOffset({ group, topic, queueId, sysFlag, commitOffset }: PullHeader): Promise<void> {
    if ((sysFlag & PULL_FLAG.COMMIT_OFFSET) === 0 || commitOffset < 0) return;
    const { port, hasGroup } = this.#parts;
    if (await hasGroup(group)) port.updateOffset(group, topic, queueId, commitOffset, "set-free");
  }

  #found({ topic, queueOffset }: PullHeader, result: PullResult, connection: WireConnection): Answer {
    const { status, nextOffset, minOffset, maxOffset, messages } = result;
    const fields = new Map([
      ["suggestWhichBrokerId", "0"],
      ["groupSysFlag", "0"],
      ["nextBeginOffset", `${nextOffset}`],
      ["maxOffset", `${maxOffset}`],
      ["minOffset", `${minOffset}`],
      ["topicSysFlag", "0"],
    ]);
    const host = this.#parts.hostFor(connection);
    const { clusterName } = this.#parts.port;
    const body = Buffer.concat(messages.map((message) => encodeView(message, { topic, host, clusterName })));
    return { code: CODES[status], remark: remarkOf(result, queueOffset), fields, body };
  }
}

const NO_FIELDS: ReadonlyMap<string, string> = new Map();
/** RocketMQ's `ForbiddenType.TOPIC_FORBIDDEN`. */
const TOPIC_FORBIDDEN: ReadonlyMap<string, string> = new Map([["forbiddenType", "3"]]);

function hasQueue({ readQueueNums }: TopicRoute, queueId: number): boolean {
  return queueId >= 0 && queueId < readQueueNums;
}

/** RocketMQ's text for what the broker refuses by itself. */
function withRemark(error: unknown, { group }: PullHeader): unknown {
  if (isMqError(error, "ERR_MQ_GROUP_NOT_FOUND")) return noGroup(group);
  if (isMqError(error, "ERR_MQ_FILTER_SYNTAX"))
    return new MqError("ERR_MQ_FILTER_SYNTAX", "parse the consumer's subscription failed", { cause: error });
  return error;
}

/** Source: RocketMQ 5.3.3, `store/.../GetMessageStatus.java`. */
function remarkOf({ status, minOffset, maxOffset }: PullResult, asked: number): string {
  if (status === "FOUND") return "FOUND";
  if (status === "NO_MATCHED_MSG") return "NO_MATCHED_MESSAGE";
  if (maxOffset === 0) return "NO_MESSAGE_IN_QUEUE";
  if (asked < minOffset) return "OFFSET_TOO_SMALL";
  return asked > maxOffset ? "OFFSET_OVERFLOW_BADLY" : "OFFSET_OVERFLOW_ONE";
}
