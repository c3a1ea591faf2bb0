import { MqError } from "../errors.js";
import { javaStringHash } from "../message/java-hash.js";
import { describe } from "../options.js";

const ALL = "*";

/**
 * Which messages of a topic a group gets, by their tag. Matched twice: the store compares hash codes and may let another tag with the
 * same code pass, the consumer compares the tag itself.
 */
export interface TagExpression {
  /** As it was given; an empty one is "*". */
  readonly expression: string;
  /** Empty: all messages, with and without a tag. */
  readonly tags: ReadonlySet<string>;
  /** Java hash codes of the tags. */
  readonly codes: ReadonlySet<number>;
  /** Whether a message with this tags code may match. */
  matchesCode(tagsCode: number): boolean;
  /** Whether a message with this tag matches. Exact and case-sensitive; a message without a tag only matches "all". */
  matchesTag(tag: string | undefined): boolean;
}

/**
 * Parses `"*"`, `"a"`, `"a || b"`. Nothing, an empty text, blanks only, and blanks around `||` mean all. Beside other tags `*` is a tag of
 * that name.
 *
 * Source: RocketMQ 5.3.3, `remoting/.../filter/FilterAPI.java`, `buildSubscriptionData`; matching: `broker/.../ExpressionMessageFilter.java`,
 * `client/.../PullAPIWrapper.java`.
 *
 * @param responseCode - 23, what RocketMQ's broker answers; its clients throw with -1.
 * @throws MqError `ERR_MQ_FILTER_SYNTAX` for separators without anything between them ("||"), as RocketMQ does;
 * `ERR_MQ_INVALID_ARGUMENT` for anything but a text.
 */
export function parseTagExpression(text: string | undefined, responseCode: number = 23): TagExpression {
  const expression = text === undefined || text === "" ? ALL : text;
  if (expression === ALL) return new AllTags(expression);
  if (typeof expression !== "string") {
    throw new MqError("ERR_MQ_INVALID_ARGUMENT", `a tag expression must be a string, got ${describe(expression)}`);
  }
  const parts = expression.split("||");
  if (parts.every((part) => part === "")) {
    throw new MqError("ERR_MQ_FILTER_SYNTAX", `a tag expression must name a tag, as in "a || b", got "${expression}"`, {
      responseCode,
    });
  }
  const tags = new Set(parts.map(trimAsJava).filter((tag) => tag !== ""));
  return tags.size === 0 ? new AllTags(expression) : new SomeTags(expression, tags);
}

/** Whether both are for the same messages: order, repetition and blanks do not count. What cannot be parsed is like itself only. */
export function isSameTagExpression(a: string, b: string): boolean {
  if (a === b) return true;
  try {
    const [left, right] = [parseTagExpression(a).tags, parseTagExpression(b).tags];
    return left.size === right.size && [...left].every((tag) => right.has(tag));
  } catch {
    return false;
  }
}

class AllTags implements TagExpression {
  readonly expression: string;
  readonly tags: ReadonlySet<string> = new Set();
  readonly codes: ReadonlySet<number> = new Set();

  constructor(expression: string) {
    this.expression = expression;
  }

  matchesCode(): boolean {
    return true;
  }

  matchesTag(): boolean {
    return true;
  }
}

class SomeTags implements TagExpression {
  readonly expression: string;
  readonly tags: ReadonlySet<string>;
  readonly codes: ReadonlySet<number>;

  constructor(expression: string, tags: ReadonlySet<string>) {
    this.expression = expression;
    this.tags = tags;
    this.codes = new Set([...tags].map(javaStringHash));
  }

  matchesCode(tagsCode: number): boolean {
    return this.codes.has(tagsCode);
  }

  matchesTag(tag: string | undefined): boolean {
    return tag !== undefined && this.tags.has(tag);
  }
}

/** Java's `String.trim`: everything up to U+0020, but no other white space. */
function trimAsJava(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && text.charCodeAt(start) <= 0x20) start += 1;
  while (end > start && text.charCodeAt(end - 1) <= 0x20) end -= 1;
  return text.slice(start, end);
}
