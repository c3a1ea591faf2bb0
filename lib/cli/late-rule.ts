import type { MessageView } from "../index.js";
import { fieldsOf } from "./json-values.js";

/** Which records are late: the number in this field is above the limit. */
export interface LateRule {
  readonly field: string;
  readonly over: number;
}

/** The number in a field, be it written as one or as text, which it always is in CSV. */
export function numberIn(fields: Readonly<Record<string, unknown>>, field: string): number | undefined {
  const value = fields[field];
  const isText = typeof value === "string" && value.trim() !== "";
  const number = isText ? Number(value) : value;
  return typeof number === "number" && Number.isFinite(number) ? number : undefined;
}

/** The same of the record in a message; whatever else somebody sent to the topic has none. */
export function numberInMessage(message: MessageView, field: string): number | undefined {
  try {
    return numberIn(fieldsOf(message.json()), field);
  } catch {
    return undefined;
  }
}

export function isLate(value: number | undefined, { over }: LateRule): boolean {
  return value !== undefined && value > over;
}
