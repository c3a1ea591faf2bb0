import fc from "fast-check";
import type { ConsumeResult } from "../../../lib/index.js";
import { ConcurrentGroupModel } from "./concurrent-group-model.js";
import type { ConcurrentSettings } from "./concurrent-queue-model.js";
import type { MemberKind } from "./member-kind.js";
import type { Ended, Outcome } from "./outcome.js";

interface Settings extends ConcurrentSettings {
  readonly concurrency: number;
}

/** A push consumer whose listener gets whatever is there. */
export const concurrentKind: MemberKind<Settings, ConcurrentGroupModel> = {
  name: "at-large",
  settings: fc.record({
    maxReconsumeTimes: fc.constantFrom(undefined, 0, 1, 2),
    timeoutMs: fc.constantFrom(900_000, 20_000),
    batchSize: fc.constantFrom(1, 3),
    concurrency: fc.constantFrom(20, 1),
  }),
  usualSettings: { maxReconsumeTimes: undefined, timeoutMs: 900_000, batchSize: 1, concurrency: 20 },
  createModel: (group, surroundings) => new ConcurrentGroupModel(group, surroundings),
  join: ({ mq, options, settings, model, host, listeners, member }) =>
    mq.pushConsumer({
      ...options,
      allocateMessageQueueStrategy: model.strategyFor(host.trust),
      maxReconsumeTimes: settings.maxReconsumeTimes,
      consumeTimeoutMs: settings.timeoutMs,
      consumeMessageBatchMaxSize: settings.batchSize,
      consumeConcurrency: settings.concurrency,
      batchListener: (messages, context) =>
        listeners.heard(member(), model, messages, context, (outcome) => {
          if (outcome === "partly") context.ackIndex = 0;
          if (outcome === "bury") context.delayLevelWhenNextConsume = -1;
          return { ...toEnded(outcome), ackIndex: context.ackIndex, delayLevel: context.delayLevelWhenNextConsume };
        }) as ConsumeResult,
    }),
  history: () => ({ isOrdered: false, areDuplicatesForbidden: true, isProgressHeld: true }),
};

function toEnded(outcome: Outcome): Ended {
  switch (outcome) {
    case "fail":
    case "bury":
      return { result: "retry", hasThrown: false };
    case "null":
      return { result: null, hasThrown: false };
    case "throw":
      return { result: undefined, hasThrown: true };
    default:
      return { result: "success", hasThrown: false };
  }
}
