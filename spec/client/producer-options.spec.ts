import { describe, expect, it } from "vitest";
import { type ProducerOptions, resolveProducerOptions } from "../../lib/client/producer-options.js";
import { loadFacts } from "../support/facts.js";
import { refusal, thrown } from "../support/thrown.js";

const validation = loadFacts("validation");

describe("resolveProducerOptions", () => {
  it("fills in RocketMQ's defaults", () => {
    expect(resolveProducerOptions({ group: "shop" })).toEqual({
      group: "shop",
      sendTimeoutMs: 3_000,
      maxMessageSize: 4_194_304,
    });
  });

  it("takes undefined for absent", () => {
    expect(resolveProducerOptions({ group: "shop", sendTimeoutMs: undefined, maxMessageSize: undefined })).toEqual(
      resolveProducerOptions({ group: "shop" }),
    );
  });

  it.each<[fact: string, group: string]>([
    ["producer-group-default", "DEFAULT_PRODUCER"],
    ["producer-group-illegal", "a.b"],
    ["producer-group-empty", ""],
  ])("refuses the group of %s as recorded", (fact, group) => {
    expect(refusal(() => resolveProducerOptions({ group }))).toBe(validation.error(fact)?.responseCode);
  });

  it.each<[Partial<Record<keyof ProducerOptions, unknown>>, string]>([
    [{ sendTimeoutMs: 0 }, "sendTimeoutMs must be an integer from 1 to 2147483647, got 0"],
    [{ sendTimeoutMs: 2 ** 31 }, "sendTimeoutMs must be an integer from 1 to 2147483647, got 2147483648"],
    [{ sendTimeoutMs: "5" }, 'sendTimeoutMs must be an integer from 1 to 2147483647, got "5"'],
    [{ sendTimeoutMs: 1.5 }, "sendTimeoutMs must be an integer from 1 to 2147483647, got 1.5"],
    [{ maxMessageSize: 0 }, "maxMessageSize must be an integer from 1 to 4194304, got 0"],
    [{ maxMessageSize: 4_194_305 }, "maxMessageSize must be an integer from 1 to 4194304, got 4194305"],
  ])("refuses %j and says why", (options, text) => {
    const error = thrown(() => resolveProducerOptions({ group: "shop", ...options } as ProducerOptions));

    expect([error.code, error.message]).toEqual(["ERR_MQ_INVALID_ARGUMENT", text]);
  });

  it("refuses an option that it does not know, by name", () => {
    const error = thrown(() => resolveProducerOptions({ group: "shop", sendTimeout: 5 } as ProducerOptions));

    expect(error.message).toBe(
      'ProducerOptions has no option "sendTimeout"; it has group, sendTimeoutMs, maxMessageSize',
    );
  });

  it.each([undefined, null, "shop", []])("refuses %j in place of an object", (options) => {
    expect(thrown(() => resolveProducerOptions(options as never)).message).toContain(
      "ProducerOptions must be an object",
    );
  });
});
