import type { RetryPolicy } from "../broker/retry-policy.js";
import { describe, invalid, oneOf, refuseUnknownOptions } from "../options.js";

const MAX_DELAY_MS = 2 ** 31 - 1;
const MAX_DELAYS = 128;
const MAX_MULTIPLIER = 1_000;
/** What RocketMQ's broker answers to a malformed group. */
const INVALID_PARAMETER = 29;

/** Checks a policy that a user gives and returns a copy of it. */
export function checkRetryPolicy(policy: unknown): RetryPolicy {
  if (typeof policy !== "object" || policy === null) throw refused("retryPolicy must be an object", policy);
  const given = policy as Readonly<Record<string, unknown>>;
  if (given["type"] === undefined) throw refused('retryPolicy.type must be "customized" or "exponential"', undefined);
  const type = oneOf("retryPolicy.type", given["type"], ["customized", "exponential"], "customized");
  if (type === "customized") {
    refuseUnknownOptions("a customized retryPolicy", given, ["type", "delaysMs"]);
    return { type, delaysMs: checkDelays(given["delaysMs"]) };
  }
  refuseUnknownOptions("an exponential retryPolicy", given, ["type", "initialMs", "maxMs", "multiplier"]);
  const multiplier = given["multiplier"];
  if (typeof multiplier !== "number" || !(multiplier >= 1 && multiplier <= MAX_MULTIPLIER))
    throw refused(`retryPolicy.multiplier must be a number from 1 to ${MAX_MULTIPLIER}`, multiplier);
  const maxMs = checkDelay("retryPolicy.maxMs", given["maxMs"]);
  return { type, initialMs: checkDelay("retryPolicy.initialMs", given["initialMs"]), maxMs, multiplier };
}

function checkDelays(delays: unknown): readonly number[] {
  if (!Array.isArray(delays) || delays.length === 0 || delays.length > MAX_DELAYS)
    throw refused(`retryPolicy.delaysMs must be an array of 1 to ${MAX_DELAYS} delays`, delays);
  // Not `map`, which passes over what is missing.
  return Array.from(delays, (delay: unknown, index) => checkDelay(`retryPolicy.delaysMs[${index}]`, delay));
}

function checkDelay(name: string, value: unknown): number {
  if (Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MAX_DELAY_MS) return value as number;
  throw refused(`${name} must be an integer from 0 to ${MAX_DELAY_MS}`, value);
}

function refused(rule: string, value: unknown): Error {
  return invalid(`${rule}, got ${describe(value)}`, INVALID_PARAMETER);
}
