/** What was expected and what came instead, as an error shows them. */
export interface Excerpts {
  readonly expected: unknown;
  readonly actual: unknown;
}

/** Longer texts are cut, and longer bytes. */
const MOST_CHARACTERS = 200;
const MOST_BYTES = 32;

/** Of long texts and bytes, how deep in the two values they may be, what is around their first difference; bytes as hexadecimal digits. */
export function excerpts(expected: unknown, actual: unknown): Excerpts {
  if (typeof expected === "string" && typeof actual === "string") {
    const from = windowStart(expected, actual, MOST_CHARACTERS);
    return { expected: excerptOfText(expected, from), actual: excerptOfText(actual, from) };
  }
  if (expected instanceof Uint8Array && actual instanceof Uint8Array) {
    const from = windowStart(expected, actual, MOST_BYTES);
    return { expected: excerptOfBytes(expected, from), actual: excerptOfBytes(actual, from) };
  }
  if (Array.isArray(expected) && Array.isArray(actual)) {
    const pairs = longer(expected, actual).map((_, index) => excerpts(expected[index], actual[index]));
    return {
      expected: pairs.slice(0, expected.length).map((pair) => pair.expected),
      actual: pairs.slice(0, actual.length).map((pair) => pair.actual),
    };
  }
  if (isRecord(expected) && isRecord(actual)) {
    const pairs = new Map(
      Object.keys({ ...expected, ...actual }).map((key) => [key, excerpts(expected[key], actual[key])]),
    );
    return {
      expected: Object.fromEntries(Object.keys(expected).map((key) => [key, pairs.get(key)?.expected])),
      actual: Object.fromEntries(Object.keys(actual).map((key) => [key, pairs.get(key)?.actual])),
    };
  }
  return { expected: excerpt(expected), actual: excerpt(actual) };
}

/** Where the excerpts of both begin. */
function windowStart<T extends string | Uint8Array>(expected: T, actual: T, most: number): number {
  if (Math.max(expected.length, actual.length) <= most) return 0;
  const end = Math.min(expected.length, actual.length);
  let same = 0;
  while (same < end && expected[same] === actual[same]) same += 1;
  return Math.max(0, same - Math.floor(most / 4));
}

function excerptOfText(text: string, from: number): string {
  const shown = text.slice(from, from + MOST_CHARACTERS);
  return around(shown, from, text.length - from - shown.length, "characters");
}

function excerptOfBytes(bytes: Uint8Array, from: number): string {
  const shown = bytes.subarray(from, from + MOST_BYTES);
  const digits = Array.from(shown, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
  return around(digits, from, bytes.length - from - shown.length, "bytes");
}

function around(shown: string, before: number, after: number, unit: string): string {
  return `${before > 0 ? `(${before} ${unit}) … ` : ""}${shown}${after > 0 ? ` … (${after} ${unit})` : ""}`;
}

/** The beginning of a long text, or of long bytes; anything else as it is. */
export function excerpt(value: unknown): unknown {
  if (typeof value === "string") return excerptOfText(value, 0);
  return value instanceof Uint8Array ? excerptOfBytes(value, 0) : value;
}

function longer(one: readonly unknown[], other: readonly unknown[]): readonly unknown[] {
  return one.length > other.length ? one : other;
}

/** An object of its own kind, an asymmetric matcher say, is compared otherwise. */
function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
