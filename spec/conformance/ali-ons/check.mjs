import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";

const PATIENCE_MS = 30_000;
/** So long it is waited for messages that must not come. */
const SILENCE_MS = 400;

/** Of a scenario that did not see what it should. */
export class Wrong extends Error {}

export function equal(what, expected, actual) {
  that(
    isDeepStrictEqual(expected, actual),
    `${what}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(actual)}`,
  );
}

export function that(claim, otherwise) {
  if (!claim) throw new Wrong(otherwise);
}

/** Waits for what takes its time: a rebalance, a delivery. */
export async function eventually(what, holds) {
  for (const deadline = Date.now() + PATIENCE_MS; !(await holds()); await sleep(20))
    that(Date.now() < deadline, `not within ${PATIENCE_MS} ms: ${what}`);
}

/** What handlers were given, in the order in which they were. */
export class Inbox {
  entries = [];

  add(message) {
    const { topic, tags, keys, properties, msgId, queueId, queueOffset, reconsumeTimes } = message;
    const own = { topic, tags, keys, properties: { ...properties }, msgId, queueId, reconsumeTimes };
    this.entries.push({ ...own, queueOffset: Number(queueOffset), body: String(message.body), atMs: Date.now() });
  }

  get bodies() {
    return this.entries.map(({ body }) => body);
  }

  /** Waits for exactly these, in whatever order. */
  async awaitBodies(expected) {
    try {
      await eventually("messages", () => this.entries.length >= expected.length);
    } catch {
      // What came is told below.
    }
    await sleep(SILENCE_MS);
    equal("bodies", [...expected].sort(), [...this.bodies].sort());
    return this.entries;
  }
}
