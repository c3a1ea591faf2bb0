import fc from "fast-check";
import type { OrderlyResult } from "../../../lib/index.js";
import type { MemberKind } from "./member-kind.js";
import { OrderlyGroupModel } from "./orderly-group-model.js";
import type { OrderlySettings } from "./orderly-queue-model.js";
import type { Ended, Outcome } from "./outcome.js";

interface Settings extends OrderlySettings {
  readonly concurrency: number;
}

/** A push consumer whose listener gets the messages of each queue in their order. */
export const orderlyKind: MemberKind<Settings, OrderlyGroupModel> = {
  name: "in-order",
  settings: fc.record({
    autoCommit: fc.boolean(),
    maxReconsumeTimes: fc.constantFrom(undefined, 0, 1, 2),
    suspendMs: fc.constantFrom(1_000, 1, 30_001),
    batchSize: fc.constantFrom(1, 3),
    concurrency: fc.constantFrom(20, 1),
  }),
  usualSettings: { autoCommit: true, maxReconsumeTimes: undefined, suspendMs: 1_000, batchSize: 1, concurrency: 20 },
  createModel: (group, surroundings) => new OrderlyGroupModel(group, surroundings),
  join: ({ mq, options, settings, model, host, listeners, member }) =>
    mq.pushConsumer({
      ...options,
      allocateMessageQueueStrategy: model.strategyFor(host.trust),
      orderly: true,
      maxReconsumeTimes: settings.maxReconsumeTimes,
      suspendCurrentQueueTimeMs: settings.suspendMs,
      consumeMessageBatchMaxSize: settings.batchSize,
      consumeConcurrency: settings.concurrency,
      batchListener: (messages, context) => {
        context.autoCommit = settings.autoCommit;
        return listeners.heard(member(), model, messages, context, (outcome) => ({
          ...toEnded(outcome, settings),
          autoCommit: context.autoCommit,
        })) as OrderlyResult;
      },
    }),
  history: (settings) => ({
    // A batch is delivered at once.
    isOrdered: settings.every(({ batchSize }) => batchSize === 1),
    // What was delivered and not committed comes again.
    areDuplicatesForbidden: settings.every(({ autoCommit }) => autoCommit),
    isProgressHeld: true,
  }),
};

function toEnded(outcome: Outcome, { autoCommit }: Settings): Ended {
  switch (outcome) {
    case "fail":
    case "bury":
      return { result: "suspend", hasThrown: false };
    case "null":
      return { result: null, hasThrown: false };
    case "throw":
      return { result: undefined, hasThrown: true };
    case "commit":
      return { result: autoCommit ? "success" : "commit", hasThrown: false };
    case "rollback":
      return { result: "rollback", hasThrown: false };
    default:
      return { result: "success", hasThrown: false };
  }
}
