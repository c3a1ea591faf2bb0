import { parseTagExpression } from "../filter/tag-expression.js";
import { checkConsumerGroup, checkKnownTopic } from "../message/names.js";
import { hasSeparator } from "../message/properties.js";
import { booleanOption, describe, invalid } from "../options.js";
import { type AllocateMessageQueueStrategy, allocateAveragely } from "./allocate-message-queue.js";
import type { ResolvedConsumeFromWhere } from "./consumer-offset-store.js";

/** Topic → tag expression: `"*"` for every message, `"created || paid"` for those with one of these tags. */
export type Subscriptions = Readonly<Record<string, string>>;

/** Where a group without progress starts in a message queue. */
export type ConsumeFromWhere = "last-offset" | "first-offset" | { readonly timestamp: number | Date };

/** What every kind of consumer is told. */
export interface ConsumerOptions {
  /** Consumers of one group share the messages: each goes to one of them. Names as in {@link ProducerOptions}; not `DEFAULT_CONSUMER`. */
  readonly group: string;
  /**
   * Must be the same for all members of the group, in whatever order an expression names its tags; where they differ, the last one registered wins for all, with
   * a warning and `group:conflict`, unless one of them has `strictSubscriptions`. @defaultValue none
   */
  readonly subscriptions?: Subscriptions | undefined;
  /**
   * Where a group starts that has no progress yet; stored progress always wins. As in RocketMQ a queue from which nothing was ever deleted is
   * read from its beginning, whatever stands here: only after retention has removed messages does `"last-offset"` mean the end.
   * @defaultValue "last-offset"
   */
  readonly consumeFromWhere?: ConsumeFromWhere | undefined;
  /**
   * How the queues of a topic are shared among the members; the same for all, which nobody checks. `allocateAveragely`, `allocateAveragelyByCircle`,
   * `allocateConsistentHash()`, `allocateByConfig(queues)`, `allocateByMachineRoom(rooms)` or your own. @defaultValue allocateAveragely
   */
  readonly allocateMessageQueueStrategy?: AllocateMessageQueueStrategy | undefined;
  /**
   * The client id is `address@instanceName`: no two members of a group have the same. A broadcasting consumer's progress is kept under this name, over
   * restarts and until it has been away for 30 days. @defaultValue unique; broadcasting: "DEFAULT"
   */
  readonly instanceName?: string | undefined;
  /**
   * `true`: no two members may differ in what they subscribe to while this one is in the group, in whatever process. Whoever comes second is refused with
   * `ERR_MQ_SUBSCRIPTION`, strict or not: at its `start()`, `subscribe()` or `unsubscribe()`, before anything has changed. So all members of a strict group have
   * to be closed before any of them can subscribe to something else. A member that subscribes to nothing differs from nobody. Of two processes that change their
   * subscriptions in the same moment, or where one was taken for gone meanwhile, the later consumer stops, and an `error` event says why. `false`: RocketMQ's way,
   * the last one registered wins. @defaultValue false
   */
  readonly strictSubscriptions?: boolean | undefined;
}

export interface ResolvedConsumerOptions {
  readonly group: string;
  readonly subscriptions: ReadonlyMap<string, string>;
  readonly consumeFromWhere: ResolvedConsumeFromWhere;
  readonly strategy: AllocateMessageQueueStrategy;
  readonly instanceName: string | undefined;
  readonly strictSubscriptions: boolean;
}

export const CONSUMER_OPTIONS: readonly (keyof ConsumerOptions)[] = [
  "group",
  "subscriptions",
  "consumeFromWhere",
  "allocateMessageQueueStrategy",
  "instanceName",
  "strictSubscriptions",
];

export function resolveConsumerOptions(options: ConsumerOptions): ResolvedConsumerOptions {
  return {
    group: checkConsumerGroup(options.group),
    subscriptions: checkSubscriptions(options.subscriptions),
    consumeFromWhere: checkConsumeFromWhere(options.consumeFromWhere),
    strategy: checkStrategy(options.allocateMessageQueueStrategy),
    instanceName: checkInstanceName(options.instanceName),
    strictSubscriptions: booleanOption("strictSubscriptions", options.strictSubscriptions, false),
  };
}

/** Checks a topic and its tag expression; the expression comes back as it will be compared. */
export function checkSubscription(topic: string, expression: unknown): string {
  checkKnownTopic(topic);
  if (typeof expression !== "string") {
    throw invalid(`the subscription of topic ${topic} must be a tag expression, got ${describe(expression)}`);
  }
  parseTagExpression(expression, -1);
  return expression.trim() === "" ? "*" : expression;
}

export function checkSubscriptions(subscriptions: unknown): ReadonlyMap<string, string> {
  if (subscriptions === undefined) return new Map();
  if (typeof subscriptions !== "object" || subscriptions === null || Symbol.iterator in subscriptions) {
    throw invalid(`subscriptions must be an object of topics and tag expressions, got ${describe(subscriptions)}`);
  }
  return new Map(
    Object.entries(subscriptions).map(([topic, expression]) => [topic, checkSubscription(topic, expression)]),
  );
}

export function checkConsumeFromWhere(where: unknown): ResolvedConsumeFromWhere {
  if (where === undefined) return "last-offset";
  if (where === "last-offset" || where === "first-offset") return where;
  if (typeof where === "object" && where !== null && "timestamp" in where) {
    const timestamp = where.timestamp instanceof Date ? where.timestamp.getTime() : where.timestamp;
    if (typeof timestamp === "number" && Number.isSafeInteger(timestamp)) return { timestamp };
  }
  throw invalid(
    `consumeFromWhere must be "last-offset", "first-offset" or { timestamp } in epoch milliseconds, got ${describe(where)}`,
  );
}

function checkStrategy(strategy: unknown): AllocateMessageQueueStrategy {
  if (strategy === undefined) return allocateAveragely;
  if (typeof strategy === "function") return strategy as AllocateMessageQueueStrategy;
  throw invalid(`allocateMessageQueueStrategy must be a function, got ${describe(strategy)}`);
}

export function checkInstanceName(name: unknown): string | undefined {
  if (name === undefined) return undefined;
  if (typeof name === "string" && name.trim() !== "" && !hasSeparator(name)) return name;
  throw invalid(
    `instanceName must be a string that is not blank and holds no \\u0001 or \\u0002, got ${describe(name)}`,
  );
}
