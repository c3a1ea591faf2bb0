import { inspect, isDeepStrictEqual } from "node:util";
import type { MessageView } from "../message/message-view.js";
import { describe, integerOption, invalid, refuseUnknownOptions } from "../options.js";
import { excerpt, excerpts } from "./excerpts.js";
import type { TestBroker } from "./test-broker.js";
import { describeHistory } from "./wait-for.js";

/** Which messages are expected: all that is given must fit. Asymmetric matchers of the test runner fit everywhere but in `group` and `times`. */
export interface ExpectedMessage {
  readonly topic?: string | undefined;
  readonly tag?: string | undefined;
  /** One of its keys. */
  readonly key?: string | undefined;
  readonly keys?: readonly string[] | undefined;
  /** As text, or as bytes. */
  readonly body?: string | Uint8Array | undefined;
  /** The body parsed as JSON. */
  readonly json?: unknown;
  readonly properties?: Readonly<Record<string, string>> | undefined;
  readonly messageGroup?: string | undefined;
  readonly messageId?: string | undefined;
  readonly deliverAt?: number | undefined;
  /** Who consumed it, or did not; not for `toHaveSent`. */
  readonly group?: string | undefined;
  /** How many fit, exactly. @defaultValue at least one */
  readonly times?: number | undefined;
}

/** What Vitest and Jest call a matcher with, as far as it is used. */
interface MatcherContext {
  readonly equals?: (actual: unknown, expected: unknown) => boolean;
  readonly utils?: {
    readonly diff?: (expected: unknown, actual: unknown, options: object) => string | null | undefined;
    readonly stringify?: (value: unknown, maxDepth: number) => string;
  };
}

interface MatcherResult {
  pass: boolean;
  message(): string;
}

/** What the test brokers of this package have besides, and what stands in for one may have not. */
interface DeadLetterSource {
  readonly deadLettered?: (group: string | undefined) => readonly MessageView[];
}

type Matcher = (received: TestBroker, expected: object) => MatcherResult;
type Field = Exclude<keyof ExpectedMessage, "group" | "times">;

/** What matchers are called for, to be merged into the runner's own: see the README beside this file. */
export interface TestBrokerMatchers<R = unknown> {
  /** A message was sent that fits. */
  toHaveSent(expected: ExpectedMessage): R;
  /** A group has consumed a message that fits; a message that was consumed twice counts twice. */
  toHaveConsumed(expected: ExpectedMessage): R;
  /** A message that fits went to the dead letters of a group. */
  toHaveDeadLettered(expected: ExpectedMessage): R;
}

const READ: Readonly<Record<Field, (message: MessageView, expected: unknown) => unknown>> = {
  topic: ({ topic }) => topic,
  tag: ({ tag }) => tag,
  key: ({ keys }) => keys.join(" "),
  keys: ({ keys }) => keys,
  body: (message, expected) => (expected instanceof Uint8Array ? new Uint8Array(message.body) : message.text()),
  json: jsonOf,
  properties: ({ properties }) => properties,
  messageGroup: ({ messageGroup }) => messageGroup,
  messageId: ({ messageId }) => messageId,
  deliverAt: ({ deliverAt }) => deliverAt,
};
const FIELDS = Object.keys(READ) as readonly Field[];
/** How many messages an error shows. */
const MOST_SHOWN = 5;
/** Of what is different in one of them. */
const MOST_LINES = 60;
/** Of what is expected, in one line. */
const MOST_CHARACTERS = 300;

/** `expect.extend(matchers)` in Vitest and in Jest. */
export const matchers: Record<"toHaveSent" | "toHaveConsumed" | "toHaveDeadLettered", Matcher> = {
  toHaveSent(this: unknown, received, expected) {
    const wanted = check("toHaveSent", received, expected);
    if (wanted.group !== undefined) throw invalid("toHaveSent has no group: it is producers that send");
    return compare(this, "sent", received, wanted, received.sent());
  },
  toHaveConsumed(this: unknown, received, expected) {
    const wanted = check("toHaveConsumed", received, expected);
    return compare(this, "consumed", received, wanted, received.consumed(wanted.group));
  },
  toHaveDeadLettered(this: unknown, received, expected) {
    const wanted = check("toHaveDeadLettered", received, expected);
    return compare(this, "dead-lettered", received, wanted, deadLettersOf(received, wanted.group));
  },
};

function check(name: string, received: unknown, expected: object): ExpectedMessage {
  if (typeof received !== "object" || received === null || !("sent" in received && "history" in received))
    throw invalid(`${name} needs a test broker of openTestBroker, got ${describe(received)}`);
  refuseUnknownOptions(name, expected, [...FIELDS, "group", "times"]);
  const wanted: ExpectedMessage = expected;
  const { group }: { readonly group?: unknown } = wanted;
  if (group !== undefined && typeof group !== "string")
    throw invalid(`${name}: group must be a string, got ${describe(group)}`);
  integerOption(`${name}: times`, wanted.times, { min: 0, max: Number.MAX_SAFE_INTEGER, fallback: 1 });
  // A Buffer equals no other array of bytes where the runner does not compare.
  return wanted.body instanceof Uint8Array ? { ...wanted, body: new Uint8Array(wanted.body) } : wanted;
}

function deadLettersOf(broker: TestBroker & DeadLetterSource, group: string | undefined): readonly MessageView[] {
  if (broker.deadLettered !== undefined) return broker.deadLettered(group);
  throw invalid(`toHaveDeadLettered needs a test broker of openTestBroker, got ${describe(broker)}`);
}

function compare(
  context: unknown,
  verb: string,
  broker: TestBroker,
  wanted: ExpectedMessage,
  messages: readonly MessageView[],
): MatcherResult {
  const { equals = isDeepStrictEqual, utils = {} } = (context ?? {}) as MatcherContext;
  const fields = FIELDS.filter((field) => wanted[field] !== undefined);
  const fits = (message: MessageView, field: Field): boolean =>
    field === "key"
      ? message.keys.some((key) => equals(key, wanted.key))
      : equals(READ[field](message, wanted[field]), wanted[field]);
  const differing = (message: MessageView): readonly Field[] => fields.filter((field) => !fits(message, field));
  const fitting = messages.filter((message) => differing(message).length === 0);
  const pass = wanted.times === undefined ? fitting.length > 0 : fitting.length === wanted.times;
  const message = (): string => {
    const by = wanted.group === undefined ? "" : ` by group ${wanted.group}`;
    const count = wanted.times === undefined ? "a message" : `exactly ${wanted.times}`;
    const like =
      fields.length === 0
        ? ""
        : ` with ${fields.map((field) => `${field} ${print(wanted[field], utils.stringify)}`).join(", ")}`;
    const head = `expected the broker ${pass ? "not " : ""}to have ${verb}${by} ${count}${like}`;
    return `${head}\n\n${explain(verb, fitting, messages, wanted, fields, utils.diff, differing)}\n\nwhat happened: ${describeHistory(broker.history)}`;
  };
  return { pass, message };
}

/** The closest ones, each with what is different. */
function explain(
  verb: string,
  fitting: readonly MessageView[],
  messages: readonly MessageView[],
  wanted: ExpectedMessage,
  fields: readonly Field[],
  diff: NonNullable<MatcherContext["utils"]>["diff"],
  differing: (message: MessageView) => readonly Field[],
): string {
  if (messages.length === 0) return `no message was ${verb}`;
  if (fitting.length > 0)
    return `${fitting.length} of the ${messages.length} that were ${verb} fit: ${fitting
      .slice(0, MOST_SHOWN)
      .map(({ messageId }) => messageId)
      .join(", ")}`;
  const closest = [...messages].sort((a, b) => differing(a).length - differing(b).length).slice(0, MOST_SHOWN);
  const left = messages.length - closest.length;
  const shown = closest.map((message) => {
    const names = differing(message);
    const pick = (read: (field: Field) => unknown): object =>
      Object.fromEntries(names.map((field) => [field, read(field)]));
    const { expected, actual } = excerpts(
      pick((field) => wanted[field]),
      pick((field) => READ[field](message, wanted[field])),
    );
    const difference =
      diff?.(expected, actual, { expand: false }) ?? `expected ${print(expected)}, got ${print(actual)}`;
    return `message ${message.messageId} differs in ${names.length} of ${fields.length}:\n${firstLines(difference)}`;
  });
  return `${messages.length} were ${verb}, none fits${left > 0 ? `; the closest ${closest.length}` : ""}:\n\n${shown.join("\n\n")}`;
}

/** In one line. Only the runner knows how its asymmetric matchers are to be shown. */
function print(value: unknown, stringify: NonNullable<MatcherContext["utils"]>["stringify"] = inspectDeep): string {
  const line = stringify(excerpt(value), 4).replace(/\s*\n\s*/g, " ");
  return line.length > MOST_CHARACTERS ? `${line.slice(0, MOST_CHARACTERS)} …` : line;
}

function inspectDeep(value: unknown, depth: number): string {
  return inspect(value, { depth });
}

function firstLines(text: string): string {
  const lines = text.split("\n");
  const left = lines.length - MOST_LINES;
  return left > 0 ? `${lines.slice(0, MOST_LINES).join("\n")}\n… ${left} lines` : text;
}

function jsonOf(message: MessageView): unknown {
  try {
    return message.json();
  } catch {
    return `no JSON: ${message.text()}`;
  }
}
