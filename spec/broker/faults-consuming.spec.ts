import { describe, expect, it } from "vitest";
import { FAULT_CODES, type Operation, tryFaults } from "../support/fault-rules.js";
import type { FaultTrial } from "../support/fault-trial.js";

type Answer = "success" | "retry";

/** A listener's result that is decided later. */
function later(): { readonly result: Promise<Answer>; readonly say: (answer: Answer) => void } {
  let say: (answer: Answer) => void = () => undefined;
  const result = new Promise<Answer>((resolve) => {
    say = resolve;
  });
  return { result, say };
}

/** The messages are with the listener when it returns. */
async function deliver(trial: FaultTrial, ...bodies: readonly string[]): Promise<void> {
  trial.start();
  await trial.pass();
  for (const body of bodies) trial.send(body);
  await trial.pass();
}

const OPERATIONS: Readonly<Record<string, () => Operation>> = {
  "acknowledging a message": () => {
    const { result, say } = later();
    return {
      listener: (message) => (message.text() === "a" ? result : "success"),
      prepare: (trial) => deliver(trial, "a"),
      act: () => say("success"),
    };
  },
  "acknowledging one message and sending another": () => {
    const { result, say } = later();
    return {
      listener: (message) => (message.text() === "a" ? result : "success"),
      prepare: (trial) => deliver(trial, "a"),
      act: (trial) => {
        say("success");
        trial.send("b");
      },
    };
  },
  "sending a message back": () => {
    const { result, say } = later();
    return {
      listener: (message) => (message.text() === "a" && message.reconsumeTimes === 0 ? result : "success"),
      prepare: (trial) => deliver(trial, "a"),
      act: () => say("retry"),
    };
  },
  "sending a message back while one before it is being consumed": () => {
    const [first, second] = [later(), later()];
    return {
      listener: (message) => {
        const body = message.text();
        if (body === "a") return first.result;
        if (body === "b") return message.reconsumeTimes === 0 ? second.result : "success";
        first.say("success");
        return "success";
      },
      prepare: (trial) => deliver(trial, "a", "b"),
      act: () => second.say("retry"),
    };
  },
  "sending a message back for the last time": () => {
    const { result, say } = later();
    return {
      consumer: { maxReconsumeTimes: 0 },
      listener: (message) => (message.text() === "a" ? result : "success"),
      prepare: (trial) => deliver(trial, "a"),
      act: () => say("retry"),
      dead: ["a"],
    };
  },
  "the move of a retry that is due": () => ({
    listener: (message) => (message.text() !== "next" && message.reconsumeTimes === 0 ? "retry" : "success"),
    prepare: (trial) => deliver(trial, "a", "b"),
    act: (trial) => trial.pass(10_000),
  }),
  "consuming what the owner's transaction stored": () => ({
    isSynchronous: true,
    prepare: async (trial) => {
      trial.driver.database.exec("CREATE TABLE invoice (body)");
      await deliver(trial, "first");
    },
    act: (trial) => trial.sendInTransaction("a"),
  }),
};

describe.each(Object.entries(OPERATIONS))("a fault in %s", (_name, operation) => {
  it.each(FAULT_CODES)("%s: it is reported, nothing is lost or doubled, and all goes on", async (code) => {
    expect(await tryFaults(operation, code)).toEqual([]);
  });
});
