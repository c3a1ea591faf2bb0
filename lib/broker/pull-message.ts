import { MqError } from "../errors.js";
import { parseTagExpression, type TagExpression } from "../filter/tag-expression.js";
import { queueKeyOf } from "../message/message-queue.js";
import { type MessageOrigin, StoredMessageView, type StoreHost } from "../message/message-view.js";
import { sizeAt, tagsCodeAt } from "../message/record.js";
import { PERM } from "../message/system-topics.js";
import type { PullRequest, PullResult } from "./broker-port.js";
import type { GroupMembers } from "./group-members.js";
import type { Groups } from "./groups.js";
import type { LogReader } from "./log-reader.js";
import type { QueueState, QueueStates } from "./queue-states.js";
import type { SentBack } from "./sent-back.js";
import type { Topics } from "./topics.js";

/** What is read from. */
export interface PullSources {
  readonly topics: Topics;
  readonly groups: Groups;
  readonly queues: QueueStates;
  readonly reader: LogReader;
  readonly sentBack: SentBack;
}

/** A filter may pass over this many messages in one pull before the caller gets a turn again, at least. */
const MIN_SCAN = 800;

/** A page for a person to look at, not a way to copy a topic. */
const MAX_BROWSE_BYTES = 16 * 1024 * 1024;

/** Where messages say they come from. */
export interface BrokerAddress {
  readonly brokerName: string;
  readonly clusterName: string;
  readonly storeHost: StoreHost;
}

/**
 * One read from a message queue for a group: its checks, its filter, its outcome.
 *
 * Source: RocketMQ, `broker/.../processor/PullMessageProcessor.java` and `store/.../DefaultMessageStore.java`, `getMessage`.
 */
export class PullMessage {
  readonly #address: BrokerAddress;
  readonly #sources: PullSources;
  readonly #members: GroupMembers;
  readonly #groupPulls = new Map<string, GroupPulls>();
  readonly #origins = new Map<string, MessageOrigin[]>();

  constructor(address: BrokerAddress, sources: PullSources, members: GroupMembers) {
    this.#address = address;
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
  ): ScanResult {
    const { minOffset, maxOffset } = queue;
    const origin = this.#origin(request.topic, request.queueId);
    const stamp = { minOffset, maxOffset };
    const messages: StoredMessageView[] = [];
    const scanEnd = Math.min(maxOffset, request.offset + Math.max(MIN_SCAN, request.maxMessages));
    let offset = request.offset;
    let bytes = 0;
    // A full answer fetches no further block: it could be 4 MiB that are not returned.
    const isFull = (): boolean =>
      messages.length >= request.maxMessages || (messages.length > 0 && bytes >= request.maxBytes);
    while (offset < scanEnd && !isFull()) {
      const readable = this.#sources.reader.findFrom(
        queue.queueKey,
        offset,
        request.maxMessages - messages.length,
        request.maxBytes - bytes,
      );
      if (readable === undefined) break;
      const { block, endOffset } = readable;
      offset = Math.max(offset, block.firstOffset);
      for (; offset < endOffset && offset < scanEnd && messages.length < request.maxMessages; offset += 1) {
        if (skipped?.has(offset) === true) continue;
        const at = readable.positionOf(offset);
        if (filter !== undefined && !filter.matchesCode(tagsCodeAt(block.records, at))) continue;
        bytes += sizeAt(block.records, at);
        if (messages.length > 0 && bytes > request.maxBytes)
          return { status: "FOUND", nextOffset: offset, minOffset, maxOffset, messages };
        messages.push(new StoredMessageView(origin, block, at, offset, stamp));
      }
    }
    return {
      status: messages.length > 0 ? "FOUND" : "NO_MATCHED_MSG",
      nextOffset: offset,
      minOffset,
      maxOffset,
      messages,
    };
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

  #origin(topic: string, queueId: number): MessageOrigin {
    let ofTopic = this.#origins.get(topic);
    if (ofTopic === undefined) {
      ofTopic = [];
      this.#origins.set(topic, ofTopic);
    }
    let origin = ofTopic[queueId];
    if (origin === undefined) {
      origin = { topic, queueId, ...this.#address };
      ofTopic[queueId] = origin;
    }
    return origin;
  }
}

type ScanResult = PullResult & { readonly messages: readonly StoredMessageView[] };

/** What is kept of the pulls of a group while it has members. */
interface GroupPulls {
  /** By topic, the expression last parsed. */
  readonly filters: Map<string, { readonly expression: string; readonly filter: TagExpression }>;
  /** By queue, where the last pull began. */
  readonly offsets: Map<string, number>;
}
