import type Database from "better-sqlite3";
import { exactlyOnce, idempotent, type MessageListener, type MessageView } from "../../../lib/index.js";
import type { Workload } from "../fault-operation.js";
import type { FaultTrial } from "../fault-trial.js";
import { deliver, later } from "./consuming.js";

/** Shorter than a round in which what failed is retried. */
const LEASE_MS = 5_000;
const MINUTE_MS = 60_000;

function bill(message: MessageView, database: Database.Database): undefined {
  try {
    database.prepare("INSERT INTO invoice VALUES (?)").run(message.text());
  } catch (cause) {
    // It is logged as it is, and SQLite's own says no code.
    throw new Error(`billing failed with ${(cause as { readonly code: string }).code}`, { cause });
  }
}

/** Before it is prepared, a table of the owner's for effects. */
async function deliverToBilling(trial: FaultTrial, ...bodies: readonly string[]): Promise<void> {
  trial.database.exec("CREATE TABLE invoice (body)");
  await deliver(trial, ...bodies);
}

/** Waits before each call of the listener until it may go on. */
function behind(gate: Promise<unknown>, listener: MessageListener): MessageListener {
  return async (message, context) => {
    await gate;
    return listener(message, context);
  };
}

/** Each of these bodies has had its effect once, whatever failed. */
function effectProblems(effects: readonly unknown[], bodies: readonly string[]): readonly string[] {
  return bodies.flatMap((body) => {
    const times = effects.filter((effect) => effect === body).length;
    return times === 1 ? [] : [`${body} had its effect ${times} times`];
  });
}

function billedIn(database: Database.Database): string[] {
  return database.prepare<[], string>("SELECT body FROM invoice").pluck().all();
}

export const DEDUPING: Workload = {
  "the effects of two messages, of which one fails": {
    covers: ["exactlyOnce"],
    make: () => {
      const { result, say } = later();
      const effect = (message: MessageView, database: Database.Database): undefined => {
        bill(message, database);
        if (message.text() === "a" && message.reconsumeTimes === 0) throw new Error("the card was refused");
      };
      return {
        effectsIn: billedIn,
        makeListener: (mq) => behind(result, exactlyOnce(mq, {}, effect)),
        prepare: (trial) => deliverToBilling(trial, "a", "b"),
        act: () => say("success"),
        outcome: (trial) => effectProblems(billedIn(trial.database), ["a", "b"]),
      };
    },
  },
  "an effect that sends": {
    covers: ["exactlyOnce"],
    make: () => {
      const { result, say } = later();
      return {
        effectsIn: billedIn,
        makeListener: (mq) => {
          const producer = mq.producer({ group: "billing" });
          const effect = (message: MessageView, database: Database.Database): undefined => {
            bill(message, database);
            if (message.text() === "a") producer.sendSync({ topic: "orders", body: "of a" }, { queue: 0 });
          };
          return behind(result, exactlyOnce(mq, {}, effect));
        },
        prepare: (trial) => deliverToBilling(trial, "a"),
        act: () => say("success"),
        outcome: (trial) => effectProblems(billedIn(trial.database), ["a", "of a"]),
      };
    },
  },
  "a handler of a key": {
    covers: ["idempotent"],
    make: () => {
      const { result, say } = later();
      const handled: string[] = [];
      const handler: MessageListener = (message) => void handled.push(message.text());
      return {
        makeListener: (mq) => behind(result, idempotent(mq, { leaseMs: LEASE_MS }, handler)),
        prepare: (trial) => deliver(trial, "a"),
        act: () => say("success"),
        outcome: () => (handled.includes("a") ? [] : ["the handler of a did not run"]),
      };
    },
  },
  "a handler of a key that fails": {
    covers: ["idempotent"],
    make: () => {
      const { result, say } = later();
      const handler: MessageListener = ({ reconsumeTimes }) => (reconsumeTimes === 0 ? "retry" : "success");
      return {
        makeListener: (mq) => behind(result, idempotent(mq, { leaseMs: LEASE_MS }, handler)),
        prepare: (trial) => deliver(trial, "a"),
        act: () => say("success"),
      };
    },
  },
  "deleting keys that have expired": {
    covers: ["expired keys"],
    make: () => ({
      effectsIn: billedIn,
      makeListener: (mq) => exactlyOnce(mq, { retainMs: MINUTE_MS }, bill),
      prepare: (trial) => deliverToBilling(trial, "a"),
      act: (trial) => trial.pass(MINUTE_MS),
    }),
  },
};
