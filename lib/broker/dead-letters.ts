import type { StoredMessageView } from "../message/message-view.js";
import { PROPERTY } from "../message/properties.js";
import type { RecordContent } from "../message/record.js";
import { copiedProperties } from "./copied-properties.js";
import type { LogAppender } from "./log-appender.js";
import type { Profile } from "./profile.js";
import type { RetryTopics } from "./retry-topics.js";

/** Where the messages of a group end that could not be consumed. */
export class DeadLetters {
  readonly #profile: Profile;
  readonly #retryTopics: RetryTopics;
  readonly #appender: LogAppender;

  constructor(profile: Profile, retryTopics: RetryTopics, appender: LogAppender) {
    this.#profile = profile;
    this.#retryTopics = retryTopics;
    this.#appender = appender;
  }

  /** The dead letter that a message becomes which its broker buries. */
  recordOf(message: StoredMessageView): RecordContent {
    const properties = copiedProperties(message, this.#profile);
    if (this.#profile.keepsDelayProperties) properties.set(PROPERTY.DELAY, "0");
    return message.toRetriedRecord(properties);
  }

  /** Inside a transaction. */
  put(group: string, record: RecordContent): void {
    const { topic } = this.#retryTopics.requireDeadLetterTopic(group);
    this.#appender.add(topic, 0, { ...record, queueOffset: -1, commitLogOffset: -1 });
  }
}
