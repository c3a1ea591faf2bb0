import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type FactArea, loadFacts } from "../support/facts.js";

interface Coverage {
  /** Fact → the spec, below spec/, that compares us with it. */
  readonly covered: Readonly<Record<string, string>>;
  /** Fact → why nothing here can be compared with it yet. */
  readonly outOfScope: Readonly<Record<string, string>>;
}

const WIRE = "belongs to the remoting protocol";
const SQL = "SQL-92 filters are not there yet";
const STRATEGY = "this allocation strategy is not there yet";

const AREAS: Readonly<Partial<Record<FactArea, Coverage>>> = {
  names: {
    covered: {
      "topic-validator": "message/names.spec.ts",
      "client-topic-validator": "message/names.spec.ts",
      "group-validator": "message/names.spec.ts",
      "system-topic-set": "message/system-topics.spec.ts",
      "derived-names": "message/derived-names.spec.ts",
      "message-constructors": "message/message-validation.spec.ts",
      "put-user-property": "message/message-validation.spec.ts",
      "reserved-property-names": "message/properties.spec.ts",
    },
    outOfScope: {
      namespace: "a broker has no namespaces: a file of its own separates applications",
      "retry-policies": "retry topics and their delays are not there yet",
    },
  },
  hash: {
    covered: {
      "string-hash-code": "message/java-hash.spec.ts",
      "object-hash-codes": "message/java-hash.spec.ts",
    },
    outOfScope: {
      crc32: WIRE,
      "consistent-hash-position": STRATEGY,
    },
  },
  selectors: {
    covered: {
      "by-hash": "client/queue-selectors.spec.ts",
      "by-hash-null-arg": "client/queue-selectors.spec.ts",
      "by-hash-no-queues": "client/queue-selectors.spec.ts",
      "by-random": "client/queue-selectors.spec.ts",
    },
    outOfScope: {
      "by-machine-room": "RocketMQ's is a stub that returns null, with which every send fails; we have none",
    },
  },
  allocation: {
    covered: {
      avg: "client/allocate-message-queue.spec.ts",
      "two-brokers": "client/allocate-message-queue.spec.ts",
      "bad-input": "client/allocate-message-queue.spec.ts",
    },
    outOfScope: {
      avg_by_circle: STRATEGY,
      consistent_hash: STRATEGY,
      config: STRATEGY,
      "machine-room": STRATEGY,
      "machine-room-nearby": STRATEGY,
    },
  },
  "tag-filter": {
    covered: {
      parse: "filter/tag-expression.spec.ts",
      match: "filter/tag-expression.spec.ts",
      "tags-code": "message/message-validation.spec.ts",
    },
    outOfScope: {
      "build-with-type": SQL,
      "message-selector": SQL,
    },
  },
  "message-ids": {
    covered: {
      "offset-msg-id": "message/offset-message-id.spec.ts",
      "offset-msg-id-decoding-odd-input": "message/offset-message-id.spec.ts",
      "uniq-key-layout": "message/unique-id.spec.ts",
    },
    outOfScope: {
      "uniq-key-set-once": "a send never changes the caller's message, so there is nothing to set twice",
      "recall-handle": "recall is not there yet",
      "recall-handle-bad": "recall is not there yet",
      "pop-extra-info": "pop consumers are not there yet",
    },
  },
  encodings: {
    covered: {
      "properties-string": "message/properties.spec.ts",
      "properties-decoding": "message/properties.spec.ts",
      "batch-body": "message/message-batch.spec.ts",
      "stored-message": "message/offset-message-id.spec.ts",
    },
    outOfScope: {
      "stored-message-with-uniq-key": WIRE,
      compression: WIRE,
      "remoting-command": WIRE,
      "binary-header-code-truncation": WIRE,
      "language-codes": WIRE,
      "current-version": WIRE,
      "response-codes": WIRE,
      "request-codes": WIRE,
    },
  },
};

describe.each(Object.entries(AREAS))("the recorded facts of %s", (area, { covered, outOfScope }) => {
  it("are each compared with us or out of scope for a reason", () => {
    const { names } = loadFacts(area as FactArea);

    expect([...Object.keys(covered), ...Object.keys(outOfScope)].sort()).toEqual([...names].sort());
  });

  it.each(Object.entries(covered))("include %s, which %s names", (fact, spec) => {
    const source = readFileSync(new URL(`../${spec}`, import.meta.url), "utf8");

    expect(source).toContain(`loadFacts("${area}")`);
    expect(source).toContain(`"${fact}"`);
  });
});
