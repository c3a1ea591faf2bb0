import { inspect } from "node:util";

/** What was thrown, for a log: anything may be, also what throws when it is looked at. */
export function describeThrown(thrown: unknown): string {
  try {
    return thrown instanceof Error ? String(thrown.message) : `it threw ${inspect(thrown, { depth: 1 })}`;
  } catch {
    return `it threw ${typeof thrown === "object" ? "an object" : `a ${typeof thrown}`} that cannot be shown`;
  }
}

/** The same with the stack of an error. */
export function describeThrownWithStack(thrown: unknown): string {
  try {
    return thrown instanceof Error ? String(thrown.stack) : describeThrown(thrown);
  } catch {
    return describeThrown(thrown);
  }
}
