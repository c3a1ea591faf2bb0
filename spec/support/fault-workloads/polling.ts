import type { MessageQueue, PullConsumer } from "../../../lib/index.js";
import type { CoveringOperation, Operation, Workload } from "../fault-operation.js";
import { type FaultTrial, TOPIC } from "../fault-trial.js";

const QUEUE: MessageQueue = { topic: TOPIC, brokerName: "broker-a", queueId: 0 };
const QUEUES: readonly MessageQueue[] = [QUEUE, { ...QUEUE, queueId: 1 }];
/** It commits each second, so that what it was handed out is soon acknowledged. */
const POLLS = { by: "polling", autoCommitIntervalMs: 1_000 } as const;
const COMMITS_DUE_MS = 1_000;

/** The reader has got these, and has committed nothing since. */
async function read(trial: FaultTrial, ...bodies: readonly string[]): Promise<void> {
  trial.start();
  await trial.pass();
  for (const body of bodies) trial.send(body);
  await trial.pass();
}

/** The same, and what it committed is stored. */
async function readAndCommitted(trial: FaultTrial): Promise<void> {
  await read(trial, "a", "b");
  await trial.pass(COMMITS_DUE_MS);
  await trial.pass(COMMITS_DUE_MS);
}

function asking(method: string & keyof PullConsumer, run: (reader: PullConsumer) => unknown): CoveringOperation {
  return {
    covers: [`PullConsumer.${method}`],
    make: () => ({
      reader: POLLS,
      isReading: true,
      isWhole: true,
      prepare: readAndCommitted,
      act: (trial) => trial.call(method, () => run(trial.reader)),
    }),
  };
}

/** Goes back, or to where it is: nothing is passed over. */
function seeking(method: string & keyof PullConsumer, run: (reader: PullConsumer) => unknown): CoveringOperation {
  return {
    covers: [`PullConsumer.${method}`, "pull loop"],
    make: () => ({
      reader: POLLS,
      isReading: true,
      mayRepeat: true,
      prepare: readAndCommitted,
      act: (trial) => trial.call(method, () => run(trial.reader)),
    }),
  };
}

function closing(member: string, close: (trial: FaultTrial) => PromiseLike<void>): CoveringOperation {
  return {
    covers: [`PullConsumer.${member}`],
    make: (): Operation => ({
      reader: POLLS,
      mayRepeat: true,
      prepare: (trial) => read(trial, "a", "b"),
      act: (trial) => void trial.callOnce("close", () => close(trial)),
    }),
  };
}

export const POLLING: Workload = {
  "starting a reader of a new group": {
    covers: ["PullConsumer.start", "pull loop", "rebalance"],
    make: () => ({
      reader: POLLS,
      prepare: (trial) => trial.send("a"),
      act: (trial) => trial.start(),
    }),
  },
  "handing out to a poll that waits": {
    covers: ["PullConsumer.poll", "pull loop"],
    make: () => ({
      reader: POLLS,
      prepare: (trial) => read(trial, "a"),
      act: (trial) => {
        trial.send("b");
        trial.send("c", 1);
      },
    }),
  },
  "handing out to a loop that waits": {
    covers: ["PullConsumer.[Symbol.asyncIterator]", "pull loop"],
    make: () => ({
      reader: { by: "iterating", autoCommitIntervalMs: 1_000 },
      prepare: (trial) => read(trial, "a"),
      act: (trial) => {
        trial.send("b");
        trial.send("c", 1);
      },
    }),
  },
  "committing because it is time": {
    covers: ["PullConsumer.poll", "offsets after 50 ms"],
    make: () => ({
      reader: POLLS,
      prepare: (trial) => read(trial, "a", "b"),
      act: (trial) => trial.pass(COMMITS_DUE_MS),
    }),
  },
  "committing because it was asked for": {
    covers: ["PullConsumer.commit"],
    make: () => ({
      reader: POLLS,
      prepare: (trial) => read(trial, "a", "b"),
      act: (trial) => trial.call("commit", () => trial.reader.commit()),
    }),
  },
  "committing offsets": {
    covers: ["PullConsumer.commit"],
    make: () => ({
      reader: POLLS,
      prepare: (trial) => read(trial, "a", "b"),
      act: (trial) => trial.call("commit", () => trial.reader.commit(new Map([[QUEUE, 1]]))),
    }),
  },
  "assigning queues with a backlog": {
    covers: ["PullConsumer.assign", "pull loop"],
    make: () => ({
      reader: POLLS,
      firstSubscriptions: {},
      isReading: true,
      prepare: (trial) => read(trial, "a", "b"),
      act: (trial) => trial.call("assign", () => trial.reader.assign(QUEUES)),
    }),
  },
  "subscribing a reader to a topic with a backlog": {
    covers: ["PullConsumer.subscribe", "rebalance", "pull loop"],
    make: () => ({
      reader: POLLS,
      firstSubscriptions: {},
      place: "guest on a file",
      prepare: (trial) => read(trial, "a", "b"),
      act: (trial) => trial.call("subscribe", () => trial.reader.subscribe(TOPIC)),
    }),
  },
  "going on with a queue that was paused": {
    covers: ["PullConsumer.resume", "pull loop"],
    make: () => ({
      reader: POLLS,
      isReading: true,
      prepare: async (trial) => {
        await readAndCommitted(trial);
        trial.reader.pause(QUEUES);
        trial.sendBatch("c", "d");
        await trial.pass();
      },
      act: (trial) => trial.call("resume", () => trial.reader.resume(QUEUES)),
    }),
  },
  "reading from an offset on": seeking("seek", (reader) => reader.seek(QUEUE, 1)),
  "reading from the beginning on": seeking("seekToBegin", (reader) => reader.seekToBegin(QUEUE)),
  "reading from the end on": seeking("seekToEnd", (reader) => reader.seekToEnd(QUEUE)),
  "asking a reader for an offset by time": asking("offsetForTimestamp", (reader) =>
    reader.offsetForTimestamp(QUEUE, 0),
  ),
  "asking a reader what is committed": asking("committed", (reader) => reader.committed(QUEUE)),
  "asking a reader for queues": asking("fetchMessageQueues", async (reader) => {
    const queues = await reader.fetchMessageQueues(TOPIC);
    return queues.length;
  }),
  "closing a reader": closing("close", (trial) => trial.closeReader()),
  "disposing of a reader": closing("[Symbol.asyncDispose]", (trial) => trial.disposeReader()),
};
