import { MqError } from "../errors.js";
import { RESPONSE_CODES } from "./response-codes.js";

/**
 * A request's body in JSON, of which nothing is taken on trust. Each function throws `ERR_MQ_INVALID_ARGUMENT` (1) for what it does not find, with the name of it.
 */
export function parseBody(what: string, body: Buffer): Readonly<Record<string, unknown>> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body.toString("utf8"));
  } catch (cause) {
    throw malformed(`${what} must be JSON`, cause);
  }
  return objectIn(what, parsed);
}

export function objectIn(name: string, value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw malformed(`${name} must be an object`);
}

/** Absent: none. */
export function listIn(name: string, value: unknown): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) return value;
  throw malformed(`${name} must be an array`);
}

export function textIn(name: string, value: unknown): string {
  if (typeof value === "string" && value !== "") return value;
  throw malformed(`${name} must be a text`);
}

export function intIn(name: string, value: unknown): number {
  if (typeof value === "number" && (value | 0) === value) return value;
  throw malformed(`${name} must be an integer of 32 bits`);
}

/** What a body cannot be. */
export function malformed(message: string, cause?: unknown): MqError {
  return new MqError("ERR_MQ_INVALID_ARGUMENT", message, { cause, responseCode: RESPONSE_CODES.SYSTEM_ERROR });
}
