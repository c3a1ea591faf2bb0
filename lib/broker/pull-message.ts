import { MqError } from "../errors.js";
import { parseTagExpression, type TagExpression } from "../filter/tag-expression.js";
import { queueKeyOf } from "../message/message-queue.js";
import type { StoredMessageView } from "../message/message-view.js";
import { PERM } from "../message/system-topics.js";
import type { PullRequest, PullResult } from "./broker-port.js";
import type { GroupMembers } from "./group-members.js";
import type { Groups } from "./groups.js";
import type { MessageScan } from "./message-scan.js";
import type { QueueState, QueueStates } from "./queue-states.js";
import type { SentBack } from "./sent-back.js";
import type { Topics } from "./topics.js";

/** What is read from. */
export interface PullSources {
  readonly topics: Topics;
  readonly groups: Groups;
  readonly queues: QueueStates;
  readonly scan: MessageScan;
  readonly sentBack: SentBack;
}

/** A page for a person to look at, not a way to copy a topic. */
const MAX_BROWSE_BYTES = 16 * 1024 * 1024;

/**
 * One read from a message queue for a group: its checks, its filter, its outcome.
 *
 * Source: RocketMQ, `broker/.../processor/PullMessageProcessor.java` and `store/.../DefaultMessageStore.java`, `getMessage`.
 */
export class PullMessage {
  readonly #sources: PullSources;
  readonly #members: GroupMembers;
  readonly #groupPulls = new Map<string, GroupPulls>();

  constructor(sources: PullSources, members: GroupMembers) {
    this.#sources = sources;
    this.#members = members;
  }

  /** What the group's filter lets through from this offset on, without waiting. */
  read(request: PullRequest): PullResult {
    const filter = this.#check(request);
    const queue = this.#sources.queues.get(request.topic, request.queueId);
    const { offset } = request;
    this.#pullsOf(request.group).offsets.set(queueKeyOf(request.topic, request.queueId), offset);
    const { minOffset, maxOffset } = queue;
    const nothing = { minOffset, maxOffset, messages: [] } as const;
    if (offset < minOffset) return { ...nothing, status: "OFFSET_ILLEGAL", nextOffset: minOffset };
    if (offset > maxOffset) return { ...nothing, status: "OFFSET_ILLEGAL", nextOffset: maxOffset };
    if (offset === maxOffset) return { ...nothing, status: "NO_NEW_MSG", nextOffset: offset };
    return this.#scan(queue, request, filter, this.#skippedOf(request, queue));
  }

  /** Offsets that are passed over; `undefined`: none. */
  #skippedOf({ group, messageModel }: PullRequest, { queueKey }: QueueState): ReadonlySet<number> | undefined {
    if (messageModel === "broadcasting") return undefined;
    const sentBack = this.#sources.sentBack.of(group, queueKey);
    return sentBack.size === 0 ? undefined : sentBack;
  }

  /** Where the group's last pull of this queue began, 0 when there was none here. */
  pulledOffset(group: string, topic: string, queueId: number): number {
    return this.#groupPulls.get(group)?.offsets.get(queueKeyOf(topic, queueId)) ?? 0;
  }

  /** The group has no members any more. */
  forget(group: string): void {
    this.#groupPulls.delete(group);
  }

  /** Everything from this offset on, whatever any group thinks of it. */
  browse(topic: string, queueId: number, fromOffset: number, maxMessages: number): readonly StoredMessageView[] {
    const queue = this.#sources.queues.get(topic, queueId);
    const offset = Math.max(fromOffset, queue.minOffset);
    const request = { group: "", topic, queueId, offset, maxMessages, maxBytes: MAX_BROWSE_BYTES, suspendMs: 0 };
    return offset >= queue.maxOffset ? [] : this.#scan(queue, request, undefined).messages;
  }

  #scan(
    queue: QueueState,
    request: PullRequest,
    filter: TagExpression | undefined,
    skipped?: ReadonlySet<number>,
  ): PullResult {
    const { minOffset, maxOffset } = queue;
    const { offset, maxMessages, maxBytes } = request;
    const stamp = { minOffset, maxOffset };
    const { messages, nextOffset } = this.#sources.scan.read(queue, {
      ...{ offset, maxMessages, maxBytes, filter, skipped, stamp },
    });
    return { ...stamp, status: messages.length > 0 ? "FOUND" : "NO_MATCHED_MSG", nextOffset, messages };
  }

  /** In the broker's order: group, topic, queue, subscription. */
  #check({ group, topic, queueId, expression: given }: PullRequest): TagExpression {
    const config = this.#sources.groups.get(group);
    if (!config.consumeEnable) {
      throw new MqError("ERR_MQ_NO_PERMISSION", `consumer group ${group} may not consume (consumeEnable is false)`);
    }
    if (!config.consumeBroadcastEnable && this.#members.messageModelOf(group) === "broadcasting") {
      throw new MqError(
        "ERR_MQ_NO_PERMISSION",
        `consumer group ${group} may not consume by broadcasting (consumeBroadcastEnable is false)`,
      );
    }
    const { perm, readQueueNums } = this.#sources.topics.get(topic);
    if ((perm & PERM.READ) === 0) throw new MqError("ERR_MQ_NO_PERMISSION", `topic ${topic} is not readable`);
    if (queueId < 0 || queueId >= readQueueNums) {
      throw new MqError("ERR_MQ_OFFSET", `topic ${topic} has ${readQueueNums} read queues, got queueId ${queueId}`);
    }
    const expression = given ?? this.#members.subscriptionOf(group, topic);
    const { filters } = this.#pullsOf(group);
    const known = filters.get(topic);
    if (known?.expression === expression) return known.filter;
    const filter = parseTagExpression(expression);
    filters.set(topic, { expression, filter });
    return filter;
  }

  #pullsOf(group: string): GroupPulls {
    let pulls = this.#groupPulls.get(group);
    if (pulls === undefined) {
      pulls = { filters: new Map(), offsets: new Map() };
      this.#groupPulls.set(group, pulls);
    }
    return pulls;
  }
}

/** What is kept of the pulls of a group while it has members. */
interface GroupPulls {
  /** By topic, the expression last parsed. */
  readonly filters: Map<string, { readonly expression: string; readonly filter: TagExpression }>;
  /** By queue, where the last pull began. */
  readonly offsets: Map<string, number>;
}
