import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeProperties, encodeProperties, hasSeparator, RESERVED_PROPERTIES } from "../../lib/message/properties.js";
import { loadFacts } from "../support/facts.js";
import { thrown } from "../support/thrown.js";

const encodings = loadFacts("encodings");
const encoded =
  encodings.observed<
    readonly {
      readonly properties: Readonly<Record<string, string | null>>;
      readonly string: string;
      readonly hex: string;
      readonly decodedAgain: Readonly<Record<string, string>>;
    }[]
  >("properties-string");
const odd =
  encodings.observed<readonly { readonly string: string | null; readonly result: Readonly<Record<string, string>> }[]>(
    "properties-decoding",
  );
const reserved = loadFacts("names").observed<readonly string[]>("reserved-property-names");

const text = fc.string({ unit: "binary", minLength: 1, maxLength: 20 }).filter((value) => !hasSeparator(value));

describe("encodeProperties", () => {
  it.each(encoded)(
    "writes $properties as RocketMQ does, or refuses what it would spoil",
    ({ properties, string, hex }) => {
      const pairs = Object.entries(properties).filter((pair): pair is [string, string] => pair[1] !== null);

      if (pairs.flat().some(hasSeparator)) {
        expect(thrown(() => encodeProperties(pairs)).code).toBe("ERR_MQ_INVALID_ARGUMENT");
        return;
      }

      expect(encodeProperties(pairs)).toBe(string);
      expect(Buffer.from(encodeProperties(pairs), "utf8").toString("hex")).toBe(hex);
    },
  );

  it.each(["a\u0001b", "a\u0002b", "\u0001", "b\u0002"])("refuses %j as a name and as a value", (spoiled) => {
    expect(thrown(() => encodeProperties([[spoiled, "v"]])).responseCode).toBe(-1);
    expect(thrown(() => encodeProperties([["k", spoiled]])).responseCode).toBe(-1);
  });
});

describe("decodeProperties", () => {
  it.each(encoded)("reads $string as RocketMQ does", ({ string, decodedAgain }) => {
    expect(Object.fromEntries(decodeProperties(string))).toEqual(decodedAgain);
  });

  it.each(odd.filter(({ string }) => string !== null))(
    "reads the odd $string as RocketMQ does",
    ({ string, result }) => {
      expect(Object.fromEntries(decodeProperties(string ?? ""))).toEqual(result);
    },
  );

  it("gives back whatever was encoded, in its order", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.tuple(text, text), { selector: ([name]) => name }), (pairs) => {
        expect([...decodeProperties(encodeProperties(pairs))]).toEqual(pairs);
      }),
    );
  });

  it("reads a million ends of values in well under the second that looking for a name at each would take", () => {
    const text = "\u0002".repeat(1_000_000);
    const started = process.hrtime.bigint();

    const properties = decodeProperties(text);

    expect(properties.size).toBe(0);
    expect(Number(process.hrtime.bigint() - started) / 1e6).toBeLessThan(1_000);
  });
});

describe("RESERVED_PROPERTIES", () => {
  it("are the names that RocketMQ refuses as user properties", () => {
    expect([...RESERVED_PROPERTIES].sort()).toEqual([...reserved].sort());
  });
});
