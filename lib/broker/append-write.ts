import { MqError } from "../errors.js";
import type { AppendObserver, AppendRequest, WithdrawableWrite } from "./broker-port.js";
import type { GroupCommit } from "./group-commit.js";
import type { Lanes } from "./lanes.js";
import type { LogAppender } from "./log-appender.js";
import type { Write } from "./pending-writes.js";
import type { RetryTopics } from "./retry-topics.js";
import type { Topics } from "./topics.js";

/** What a block costs a flush beyond its messages. */
const BLOCK_COST = 3;

/** Messages waiting for the next group commit. */
export class AppendWrite implements Write, WithdrawableWrite {
  readonly #request: AppendRequest;
  readonly #observer: AppendObserver;
  readonly #topics: Topics;
  readonly #retryTopics: RetryTopics;
  readonly #appender: LogAppender;
  readonly #commits: GroupCommit;

  constructor(
    request: AppendRequest,
    observer: AppendObserver,
    topics: Topics,
    retryTopics: RetryTopics,
    appender: LogAppender,
    commits: GroupCommit,
  ) {
    this.#request = request;
    this.#observer = observer;
    this.#topics = topics;
    this.#retryTopics = retryTopics;
    this.#appender = appender;
    this.#commits = commits;
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
    const { topic, messages, chooseQueue } = this.#request;
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
    const created = this.#topics.checkForAppend(topic, queueId);
    this.#retryTopics.requireGroupOf(topic);
    if (created !== undefined) this.#topics.put(created);
    for (const message of messages) this.#appender.add(topic, queueId, message);
  }

  committed(): void {
    this.#observer.stored();
  }

  withdraw(): boolean {
    return this.#commits.withdraw(this);
  }

  failed(error: unknown): void {
    this.#observer.failed(error);
  }
}
