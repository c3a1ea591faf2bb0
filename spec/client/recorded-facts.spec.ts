import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type FactArea, loadFacts } from "../support/facts.js";

interface Coverage {
  /** Spec, below spec/, → the facts that it compares us with. A star stands for any ending, which the spec enumerates itself. */
  readonly covered: Readonly<Record<string, readonly string[]>>;
  /** Why nothing can be compared with them → facts. */
  readonly outOfScope: Readonly<Record<string, readonly string[]>>;
}

const AREAS: Readonly<Partial<Record<FactArea, Coverage>>> = {
  validation: {
    covered: {
      "message/message-validation.spec.ts": [
        "send-null-message",
        "send-null-body",
        "send-empty-body",
        "send-body-4mb-plus-1",
        "send-topic-null",
        "send-topic-empty",
        "send-topic-dot",
        "send-topic-space",
        "send-topic-unicode",
        "send-topic-127",
        "send-topic-128",
        "raw-send-body-too-large",
        "raw-send-body-4mb",
        "raw-send-properties-limit",
        "raw-send-properties-32767",
        "raw-send-properties-32768",
        "user-properties-20000",
        "user-properties-33000",
        "many-user-properties",
        "inner-multi-dispatch-separator",
      ],
      "message/message-batch.spec.ts": [
        "batch-empty",
        "batch-null",
        "batch-two-topics",
        "batch-retry-topic",
        "batch-wait-mixed",
        "batch-empty-body",
        "batch-too-large",
      ],
      "message/names.spec.ts": ["raw-send-a.b", "raw-send-topic-128"],
      "message/system-topics.spec.ts": [
        "raw-send-SCHEDULE_TOPIC_XXXX",
        "raw-send-RMQ_SYS_TRANS_HALF_TOPIC",
        "raw-send-SELF_TEST_TOPIC",
      ],
      "broker/topics.spec.ts": [
        "send-system-topic-*",
        "send-read-only-topic",
        "send-no-perm-topic",
        "send-no-write-queues",
        "raw-send-%DLQ%nogroup",
        "raw-send-%RETRY%nogroup",
        "raw-send-default-topic-unknown",
      ],
      "broker/recorded-pulls.spec.ts": [
        "raw-pull-write-only-topic",
        "raw-pull-unknown-topic",
        "raw-pull-bad-queue",
        "raw-pull-bad-expression",
        "raw-pull-without-subscription",
      ],
      "client/queue-selectors.spec.ts": ["selector-null-arg-by-hash"],
      "client/producer-queues.spec.ts": [
        "raw-send-queue-out-of-range",
        "queue-of-other-topic",
        "queue-id-too-big",
        "queue-negative",
        "queue-unknown-broker",
        "selector-null",
        "selector-throws",
      ],
      "client/producer-options.spec.ts": ["producer-group-default", "producer-group-illegal", "producer-group-empty"],
      "client/recorded-consumers.spec.ts": [
        "producer-after-shutdown",
        "consumer-group-default",
        "consumer-group-empty",
        "consumer-group-illegal",
        "consumer-group-121",
        "consumer-thread-0",
        "consumer-batch-0",
        "consumer-batch-1025",
        "consumer-pull-batch-0",
        "consumer-threshold-0",
        "consumer-interval-negative",
        "consumer-timestamp",
        "consumer-null-strategy",
        "consumer-no-listener",
        "consumer-subscribe-empty-expression-list",
        "consumer-subscribe-null-topic",
        "consumer-no-subscription",
        "consumer-unknown-topic",
      ],
      "admin/topics.spec.ts": [
        "raw-create-topic-empty",
        "raw-create-topic-a.b",
        "raw-create-topic-128",
        "raw-create-topic-TBW102",
        "raw-create-topic-SCHEDULE_TOPIC_XXXX",
        "raw-create-topic-rmq_sys_mine",
        "raw-create-topic-%RETRY%x",
        "raw-create-topic-ValOk",
        "raw-create-topic-perm 0",
        "raw-create-topic-queues 0",
        "raw-create-topic-queues 1025",
      ],
      "admin/recorded-admin.spec.ts": [
        "raw-min-offset-unknown-topic",
        "raw-max-offset-unknown-topic",
        "raw-search-offset-unknown-topic",
      ],
    },
    outOfScope: {
      "RocketMQ's client compresses such a body and its broker counts the result; nothing is compressed here": [
        "send-body-4mb",
      ],
      "a request of the remoting protocol that no client of ours can make": [
        "raw-send-empty-body",
        "raw-send-missing-queue-id",
        "raw-send-read-only-topic",
        "raw-send-no-perm-topic",
        "raw-unknown-request-code",
        "raw-query-offset-*",
        "raw-update-offset-*",
        "raw-consumer-list-none",
        "raw-earliest-unknown-topic",
        "raw-create-topic-attributes *",
        "raw-create-topic-perm -1",
        "raw-create-topic-perm 1",
        "raw-create-topic-perm 8",
        "raw-create-topic-perm 9",
        "raw-create-topic-perm 15",
        "raw-create-topic-queues -1",
        "raw-unsubscribe-unknown",
        "namesrv-no-route",
        "namesrv-unknown-code",
      ],
      "RocketMQ's broker does not check group names; the names of groups are checked here as its clients do": [
        "raw-create-group-empty",
        "raw-create-group-a.b",
        "raw-create-group-121",
        "raw-create-group-256",
      ],
      "a producer of ours needs no start, no name server and no instance name": [
        "producer-not-started",
        "producer-start-twice",
        "producer-restart-after-shutdown",
        "producer-same-group-same-instance",
        "producer-no-namesrv",
      ],
      "threads are one number here, consumeConcurrency": ["consumer-threads"],
      "delayed messages are not there yet": ["delay-level-*", "timer-*", "poison-timer", "batch-delay", "batch-timer"],
      "SQL-92 filters are not there yet": ["raw-pull-sql-disabled", "consumer-sql-disabled"],
      "transactions are not there yet": [
        "batch-transaction-property",
        "raw-end-transaction-missing",
        "transaction-no-listener",
      ],
      "deleting topics and groups is not there yet": ["raw-delete-topic-*", "raw-delete-group-unknown"],
      "retry topics are not there yet": ["raw-send-back-missing-message"],
      "finding single messages is not there yet": ["raw-view-missing-message"],
      "recall is not there yet": ["raw-recall-disabled"],
      "pop consumers are not there yet": ["raw-pop-too-many"],
      "pull consumers are not there yet": ["lite-pull-*"],
    },
  },
  messages: {
    covered: {
      "client/recorded-messages.spec.ts": [
        "normal",
        "tags-keys-flag-user-properties",
        "wait-store-false",
        "explicit-queue",
        "selector-by-hash",
        "compressed-body",
        "body-4095-not-compressed",
        "body-4096-compressed",
        "async",
        "oneway",
        "unicode",
        "same-object-sent-twice",
        "batch",
        "batch-uniq-keys",
        "batch-of-one",
        "raw-pull",
        "pull-consumer",
      ],
      "broker/recorded-pulls.spec.ts": [
        "pull-results",
        "pull-empty-queue",
        "pull-unknown-topic",
        "pull-queue-out-of-range",
      ],
      "client/producer-queues.spec.ts": ["round-robin"],
      "broker/topics.spec.ts": ["auto-create", "auto-create-16"],
    },
    outOfScope: {
      "message groups are not there yet": ["sharding-key"],
      "a request of the remoting protocol that no client of ours can make": [
        "send-without-uniq-key",
        "send-queue-minus-one",
        "send-odd-properties",
      ],
      "requests and their replies are not there yet": [
        "request-reply",
        "reply-topic-record",
        "request-sync",
        "request-sync-queue",
        "request-callback",
        "request-callback-timeout",
      ],
    },
  },
  groups: {
    covered: {
      "client/consume-from-where.spec.ts": [
        "start-timestamp-history",
        "start-first-history",
        "start-last-history",
        "start-last-empty",
        "start-stored-offset",
        "start-stored-beyond",
        "stored-beyond-offset-after",
      ],
      "client/recorded-groups.spec.ts": [
        "members-json",
        "live-rebalance",
        "offset-commit",
        "conflicting-tags",
        "conflicting-topics",
        "long-poll",
        "filtered-tail-committed",
        "lowest-unacked",
      ],
    },
    outOfScope: { "broadcasting is not there yet": ["start-broadcast-*", "broadcasting", "mixed-models"] },
  },
  "filters-live": {
    covered: {
      "client/recorded-filters.spec.ts": [
        "all",
        "tag-a",
        "tag-a-or-b",
        "tag-hash-collision",
        "auto-create-off-send",
        "auto-create-off-raw-send",
        "auto-create-off-tbw102",
        "group-auto-create-off-pull",
        "group-auto-create-off-push",
      ],
    },
    outOfScope: {
      "SQL-92 filters are not there yet": ["sql-*"],
      "retry topics are not there yet": ["group-auto-create-off-send-back", "group-auto-create-off-send-to-retry"],
    },
  },
  admin: {
    covered: {
      "admin/recorded-admin.spec.ts": [
        "topic-config-*",
        "route-*",
        "cluster-info",
        "broker-config",
        "create-topic-response",
        "shrink-queues",
        "topic-stats",
        "consume-stats-topic",
        "consume-stats-unknown-group",
        "topics-by-consumer",
        "consumer-connection",
        "consumer-connection-offline",
        "consume-disabled",
      ],
      "admin/groups.spec.ts": ["group-config-default", "group-config-system"],
      "admin/offsets.spec.ts": ["offsets-empty-queue", "search-offset", "offsets-written-queue"],
      "admin/consume-stats.spec.ts": ["consume-stats"],
      "message/system-topics.spec.ts": ["system-topics-broker"],
    },
    outOfScope: {
      "there is no name server here": ["system-topics-namesrv", "kv-config", "wipe-write-perm"],
      "a request of the remoting protocol that no client of ours can make": [
        "runtime-info-keys",
        "topic-consume-by-who",
        "producer-connection",
      ],
      "finding single messages is not there yet": ["query-by-key", "raw-query-by-key", "view-*"],
      "resetting and cloning offsets is not there yet": [
        "reset-*",
        "commit-while-reset-pending",
        "pull-while-reset-pending",
        "redelivery-after-reset",
        "clone-offset",
      ],
      "deleting topics and groups is not there yet": ["delete-group", "delete-topic"],
    },
  },
};

function matches(fact: string, pattern: string): boolean {
  return pattern.endsWith("*") ? fact.startsWith(pattern.slice(0, -1)) : fact === pattern;
}

/** Each fact with the patterns that stand for it. */
function assignments(
  names: readonly string[],
  { covered, outOfScope }: Coverage,
): ReadonlyMap<string, readonly string[]> {
  const patterns = [...Object.values(covered).flat(), ...Object.values(outOfScope).flat()];
  return new Map(names.map((fact) => [fact, patterns.filter((pattern) => matches(fact, pattern))]));
}

describe.each(Object.entries(AREAS) as [FactArea, Coverage][])("the recorded facts of %s", (area, coverage) => {
  const { names } = loadFacts(area);

  it("are each compared with us or out of scope for a reason, once", () => {
    const found = assignments(names, coverage);

    expect([...found].filter(([, patterns]) => patterns.length !== 1)).toEqual([]);
  });

  it("exist as they are named here", () => {
    const patterns = [...Object.values(coverage.covered).flat(), ...Object.values(coverage.outOfScope).flat()];

    expect(patterns.filter((pattern) => !names.some((fact) => matches(fact, pattern)))).toEqual([]);
  });

  it.each(Object.entries(coverage.covered))("are compared with us in %s", (spec, facts) => {
    const source = readFileSync(new URL(`../${spec}`, import.meta.url), "utf8");
    const named = facts.map((fact) => fact.replace(/\*$/, ""));

    const missing = named.filter((name) => !source.includes(name) && !source.includes(name.replace(/^raw-send-/, "")));
    expect(source).toContain(`loadFacts("${area}")`);
    expect(missing).toEqual([]);
  });
});
