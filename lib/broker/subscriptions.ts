import { MqError } from "../errors.js";
import { isSameTagExpression } from "../filter/tag-expression.js";
import { retryTopic } from "../message/derived-names.js";
import type { GroupMember, SubscriptionTable } from "./broker-port.js";

/** What has to agree within a group that has a strict member. */
interface Subscriber extends Pick<GroupMember, "clientId" | "isStrict"> {
  readonly subscriptions: SubscriptionTable;
}

/** What keeps two members apart of which one is strict at least. */
export interface Disagreement<Other extends Subscriber> {
  readonly other: Other;
  readonly error: MqError;
}

/** Word by word. */
export function isSameTable(a: SubscriptionTable, b: SubscriptionTable): boolean {
  return a.size === b.size && [...a].every(([topic, expression]) => b.get(topic) === expression);
}

/** Topics to which only one of two members subscribes, or each for other messages; that of retries aside, to which nobody subscribes by himself. */
export function differences(group: string, a: SubscriptionTable, b: SubscriptionTable): readonly string[] {
  const topics = new Set([...a.keys(), ...b.keys()]);
  topics.delete(retryTopic(group));
  return [...topics].filter((topic) => !isSameSubscription(a.get(topic), b.get(topic))).sort();
}

/** The first of those that are there with whom this one must not be, because one of the two is strict. */
export function findDisagreement<Other extends Subscriber>(
  group: string,
  newcomer: Subscriber,
  present: Iterable<Other>,
): Disagreement<Other> | undefined {
  for (const other of present) {
    if (other.clientId === newcomer.clientId || (other.isStrict !== true && newcomer.isStrict !== true)) continue;
    // Who subscribes to nothing has chosen its queues, and its subscriptions do not count.
    if (other.subscriptions.size === 0 || newcomer.subscriptions.size === 0) continue;
    const topics = differences(group, newcomer.subscriptions, other.subscriptions);
    if (topics.length > 0) return { other, error: refusal(group, newcomer, other, topics) };
  }
  return undefined;
}

function isSameSubscription(a: string | undefined, b: string | undefined): boolean {
  return a !== undefined && b !== undefined && isSameTagExpression(a, b);
}

function refusal(group: string, newcomer: Subscriber, other: Subscriber, topics: readonly string[]): MqError {
  const said = ({ subscriptions }: Subscriber, topic: string): string => {
    const expression = subscriptions.get(topic);
    return expression === undefined ? "not subscribed to" : JSON.stringify(expression);
  };
  const parts = topics.map((topic) => `${topic} ${said(newcomer, topic)} (there ${said(other, topic)})`);
  const strict = [newcomer, other].filter(({ isStrict }) => isStrict === true).map(({ clientId }) => clientId);
  return new MqError(
    "ERR_MQ_SUBSCRIPTION",
    `consumer ${newcomer.clientId} of group ${group} differs from its member ${other.clientId} in its subscriptions: ${parts.join(", ")}; strictSubscriptions of ${strict.join(" and ")} forbids that`,
  );
}
