import { MqError } from "./errors.js";

/** Bounds of an integer option, both allowed. */
export interface IntegerRange {
  readonly min: number;
  readonly max: number;
  /** Taken where the option is `undefined`. */
  readonly fallback: number;
}

/** Refuses what is no object, and names the first key that is none of `known`: usually a misspelling. */
export function refuseUnknownOptions(
  what: string,
  options: unknown,
  known: readonly string[],
): asserts options is object {
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    throw invalid(`${what} must be an object, got ${kindOf(options)}`);
  }
  for (const key of Object.keys(options)) {
    if (!known.includes(key)) throw invalid(`${what} has no option "${key}"; it has ${known.join(", ")}`);
  }
}

export function integerOption(name: string, value: unknown, { min, max, fallback }: IntegerRange): number {
  if (value === undefined) return fallback;
  if (typeof value === "number" && Number.isInteger(value) && value >= min && value <= max) return value;
  throw invalid(`${name} must be an integer from ${min} to ${max}, got ${describe(value)}`);
}

export function booleanOption(name: string, value: unknown, fallback: boolean): boolean {
  if (value === undefined) return fallback;
  if (typeof value === "boolean") return value;
  throw invalid(`${name} must be true or false, got ${describe(value)}`);
}

export function signalOption(value: unknown): AbortSignal | undefined {
  if (value === undefined || value instanceof AbortSignal) return value;
  throw invalid(`signal must be an AbortSignal, got ${describe(value)}`);
}

export function oneOf<T extends string>(name: string, value: unknown, allowed: readonly T[], fallback: T): T {
  if (value === undefined) return fallback;
  const found = allowed.find((candidate) => candidate === value);
  if (found !== undefined) return found;
  throw invalid(`${name} must be ${allowed.map((text) => `"${text}"`).join(" or ")}, got ${describe(value)}`);
}

/** A value for an error message, unless it is long. Not for what may have come out of a message: {@link kindOf}. */
export function describe(value: unknown): string {
  if (typeof value === "string" && value.length <= 40) return JSON.stringify(value);
  if (typeof value === "bigint") return `${value}n`;
  return typeof value === "number" || typeof value === "boolean" ? String(value) : kindOf(value);
}

/** What kind of value it is, and nothing of what is in it: bodies and properties belong in no log, and errors end there. */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === "string") return `a string of ${value.length} characters`;
  if (Array.isArray(value)) return "an array";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}

/** @param responseCode - -1, as RocketMQ's clients throw; its broker answers 29. */
export function invalid(message: string, responseCode: number = -1): MqError {
  return new MqError("ERR_MQ_INVALID_ARGUMENT", message, { responseCode });
}
