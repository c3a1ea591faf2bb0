import { describe, expect, it } from "vitest";
import { startChild } from "../support/child-process.js";
import { tempFolder } from "../support/temp-folder.js";
import { listMessages, openCrashedStore } from "./crashed-store.js";

/** The first commit makes the topic too. */
const POINTS = [
  [1, "full"],
  [6, "full"],
  [6, "normal"],
] as const;
const SIGKILLED = { code: null, signal: "SIGKILL" };

describe("a process that is killed while it sends", () => {
  it.each(POINTS)(
    "before commit %i, synchronous %s: has stored what was resolved, and nothing else",
    async (commit, synchronous) => {
      using folder = tempFolder();
      await using child = startChild("send-until-commit.mjs", folder.file("a.db"), synchronous, "before", commit);

      await child.tells("stopped");
      const end = await child.kill();
      await using crashed = await openCrashedStore(folder.file("a.db"));
      const exists = (await crashed.mq.admin.listTopics()).some(({ topic }) => topic === "orders");
      const messages = exists ? await listMessages(crashed.mq) : [];

      expect(end).toEqual(SIGKILLED);
      expect(child.told("sent")).toHaveLength(commit * 10);
      expect(child.told("resolved")).toHaveLength((commit - 1) * 10);
      expect([...messages].sort()).toEqual([...child.told("resolved")].sort());
      expect(exists).toBe(commit > 1);
    },
  );

  it.each(POINTS)(
    "after commit %i, synchronous %s: has stored what was resolved and all of that commit",
    async (commit, synchronous) => {
      using folder = tempFolder();
      await using child = startChild("send-until-commit.mjs", folder.file("a.db"), synchronous, "after", commit);

      await child.tells("stopped");
      const end = await child.kill();
      await using crashed = await openCrashedStore(folder.file("a.db"));
      const messages = await listMessages(crashed.mq);

      expect(end).toEqual(SIGKILLED);
      expect(child.told("resolved")).toHaveLength((commit - 1) * 10);
      expect(messages).toEqual(expect.arrayContaining([...child.told("resolved")]));
      expect(messages.map((line) => line.split(" ")[0]).sort()).toEqual([...child.told("sent")].sort());
    },
  );

  it("at any moment, again and again on one store: never loses what was resolved", async () => {
    using folder = tempFolder();
    const resolved: string[] = [];
    for (const [round, atLeast] of [1, 700, 90, 2_500].entries()) {
      await using child = startChild("send-for-ever.mjs", folder.file("a.db"), round);
      await child.tells("resolved", atLeast);
      await child.kill();
      resolved.push(...child.told("resolved"));

      await using crashed = await openCrashedStore(folder.file("a.db"));
      const messages = new Set(await listMessages(crashed.mq));

      expect(resolved.filter((line) => !messages.has(line))).toEqual([]);
    }
    expect(new Set(resolved).size).toBe(resolved.length);
  });
});

describe("a process that calls process.exit while it sends", () => {
  it("loses only sends that were not resolved", async () => {
    using folder = tempFolder();
    await using child = startChild("exit-while-sending.mjs", folder.file("a.db"), 300);

    const end = await child.ends();
    await using crashed = await openCrashedStore(folder.file("a.db"));
    const messages = await listMessages(crashed.mq);

    expect(end).toEqual({ code: 0, signal: null });
    expect(child.told("sent")).toHaveLength(1_000);
    expect(child.told("resolved")).toHaveLength(300);
    expect(messages).toEqual(expect.arrayContaining([...child.told("resolved")]));
    expect(messages.length).toBeLessThan(1_000);
  });
});
