import { MqError } from "../errors.js";
import type { MessageDelay } from "../message/message-delay.js";
import type { RecordContent } from "../message/record.js";
import type { AppendObserver, AppendRequest, WithdrawableWrite } from "./broker-port.js";
import type { GroupCommit } from "./group-commit.js";
import type { Lanes } from "./lanes.js";
import type { MessageToAppend } from "./log-appender.js";
import type { DelayedMessage } from "./message-delays.js";
import type { Write } from "./pending-writes.js";
import type { StoredState } from "./stored-state.js";

/** What a block costs a flush beyond its messages. */
const BLOCK_COST = 3;

/** What a broker appends with. */
export interface AppendParts {
  readonly state: Pick<StoredState, "topics" | "retryTopics" | "appender" | "due" | "halves" | "delays">;
  readonly commits: GroupCommit;
  readonly now: () => number;
}

/** Messages waiting for the next group commit. */
export class AppendWrite implements Write, WithdrawableWrite {
  readonly #request: AppendRequest;
  readonly #observer: AppendObserver;
  readonly #parts: AppendParts;

  constructor(request: AppendRequest, observer: AppendObserver, parts: AppendParts) {
    this.#request = request;
    this.#observer = observer;
    this.#parts = parts;
  }

  cost(lanes: Lanes): number {
    const { topic, queueId, messages } = this.#request;
    return messages.length + (lanes.add(topic, queueId) ? BLOCK_COST : 0);
  }
  get bytes(): number {
    return this.#request.bytes;
  }
  get deadline(): number {
    return this.#request.deadline;
  }

  apply(): void {
    const { topics, retryTopics, appender, halves } = this.#parts.state;
    const { topic, messages, delay, half, chooseQueue, newTopicQueueNums } = this.#request;
    if (chooseQueue !== undefined) this.#request.queueId = chooseQueue();
    const { queueId } = this.#request;
    for (const { body, bodySize } of messages) {
      if (typeof body !== "string" && body.byteLength !== bodySize) {
        throw new MqError(
          "ERR_MQ_MESSAGE_ILLEGAL",
          `the body had ${bodySize} bytes when it was sent, it has ${body.byteLength} now`,
        );
      }
    }
    const created = topics.checkForAppend(topic, queueId, newTopicQueueNums);
    const delayed = delay === undefined ? undefined : this.#resolve(delay);
    retryTopics.requireGroupOf(topic);
    if (created !== undefined) topics.put(created);
    if (delayed !== undefined) this.#add(delayed);
    else if (half !== undefined) for (const message of messages) halves.add(topic, queueId, half, message);
    else for (const message of messages) appender.add(topic, queueId, message);
  }

  committed(): void {
    this.#observer.stored();
  }

  withdraw(): boolean {
    return this.#parts.commits.withdraw(this);
  }

  failed(error: unknown): void {
    this.#observer.failed(error);
  }

  #resolve(delay: MessageDelay): DelayedMessage {
    const { state, now } = this.#parts;
    return state.delays.resolve(this.#onlyMessage, delay, this.#request, now());
  }

  #add(delayed: DelayedMessage): void {
    const { appender, due } = this.#parts.state;
    const { topic, queueId } = this.#request;
    const { record, dueAt, delayMs } = delayed;
    this.#request.delayed = delayed;
    if (dueAt === undefined) appender.add(topic, queueId, withContent(this.#onlyMessage, record));
    else due.add(topic, queueId, dueAt, record, delayMs);
  }

  get #onlyMessage(): MessageToAppend {
    return this.#request.messages[0] as MessageToAppend;
  }
}

/** Other content in the place of the message, which is told where it lies. */
function withContent(message: MessageToAppend, content: RecordContent): MessageToAppend {
  return {
    ...content,
    get queueOffset() {
      return message.queueOffset;
    },
    set queueOffset(offset: number) {
      message.queueOffset = offset;
    },
    get commitLogOffset() {
      return message.commitLogOffset;
    },
    set commitLogOffset(offset: number) {
      message.commitLogOffset = offset;
    },
  };
}
