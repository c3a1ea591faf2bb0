import fc from "fast-check";
import type { MemberKind } from "./member-kind.js";
import { PullGroupModel } from "./pull-group-model.js";
import type { PullSettings } from "./pull-queue-model.js";
import { type PullAct, PullingMember } from "./pulling-member.js";

const queue = fc.nat({ max: 4 });
const poll = fc.record({
  what: fc.constant("poll" as const),
  maxMessages: fc.constantFrom(1, 2, 10),
  timeoutMs: fc.constantFrom(0, 0, 1_000, 20_000),
});
const commit = fc.constant({ what: "commit" as const });
const commitAt = fc.record({ what: fc.constant("commit at" as const), queue, back: fc.integer({ min: -1, max: 4 }) });
const seek = fc.record({
  what: fc.constant("seek" as const),
  queue,
  back: fc.integer({ min: -1, max: 4 }),
  isPolledAtOnce: fc.boolean(),
});
const onQueue = fc.record({
  what: fc.constantFrom("seek to the begin" as const, "pause" as const, "resume" as const, "resume" as const),
  queue,
});

/** A consumer that polls, and is told what it has done. */
export const pullKind: MemberKind<PullSettings, PullGroupModel, PullAct> = {
  name: "at-its-pace",
  settings: fc.record({
    autoCommit: fc.boolean(),
    autoCommitIntervalMs: fc.constantFrom(1_000, 5_000),
    batchSize: fc.constantFrom(1, 3, 10),
  }),
  usualSettings: { autoCommit: true, autoCommitIntervalMs: 5_000, batchSize: 10 },
  acts: fc.oneof(
    { arbitrary: poll, weight: 10 },
    { arbitrary: commit, weight: 4 },
    { arbitrary: commitAt, weight: 1 },
    { arbitrary: seek, weight: 2 },
    { arbitrary: onQueue, weight: 3 },
  ),
  createModel: (group, surroundings) => new PullGroupModel(group, surroundings),
  join: (seat) => {
    const { mq, options, settings, model, host } = seat;
    const { autoCommit, autoCommitIntervalMs, batchSize } = settings;
    const consumer = mq.pullConsumer({
      ...options,
      autoCommit,
      autoCommitIntervalMs,
      pullBatchSize: batchSize,
      allocateMessageQueueStrategy: model.strategyFor(host.trust),
    });
    return new PullingMember(consumer, seat);
  },
  // Who seeks passes messages, and gets others again.
  history: () => undefined,
};
