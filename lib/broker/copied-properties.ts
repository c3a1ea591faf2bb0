import type { StoredMessageView } from "../message/message-view.js";
import { PROPERTY } from "../message/properties.js";
import type { Profile } from "./profile.js";

/** Those of a message that could not be consumed, with where it was sent to and which copy was the first. */
export function copiedProperties(message: StoredMessageView, profile: Profile): Map<string, string> {
  const { keepsDelayProperties, keepsPopRetryTopic } = profile;
  const properties = new Map(message.storedProperties);
  if (!keepsDelayProperties)
    for (const name of [PROPERTY.DELAY, PROPERTY.REAL_TOPIC, PROPERTY.REAL_QID]) properties.delete(name);
  const topic = keepsPopRetryTopic ? message.storedTopic : message.topic;
  if (!properties.has(PROPERTY.RETRY_TOPIC)) properties.set(PROPERTY.RETRY_TOPIC, topic);
  if (!properties.has(PROPERTY.ORIGIN_MESSAGE_ID)) properties.set(PROPERTY.ORIGIN_MESSAGE_ID, message.offsetMessageId);
  return properties.set(PROPERTY.WAIT, "false");
}
