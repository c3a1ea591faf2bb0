import { describe, expect, it } from "vitest";
import { startChild } from "../support/child-process.js";
import { tempFolder } from "../support/temp-folder.js";
import { consumeRest, openCrashedStore } from "./crashed-store.js";

/** Of the 50 messages, the offsets of the first 40 are stored by then. */
const ALL = Array.from({ length: 50 }, (_, name) => `${name}`);

describe("a process that is killed while it consumes", () => {
  it.each([
    ["inside a listener", "inside", 44],
    ["after the listeners and before the offset is stored", "before-offset", 50],
  ] as const)(
    "%s: gets again what was not acknowledged, once and in order, and nothing else",
    async (_where, point, consumed) => {
      using folder = tempFolder();
      await using child = startChild("consume-until.mjs", folder.file("a.db"), point);

      await child.tells("stopped");
      const end = await child.kill();
      await using crashed = await openCrashedStore(folder.file("a.db"));
      const again = await consumeRest(crashed);

      expect(end).toEqual({ code: null, signal: "SIGKILL" });
      expect(child.told("stored")).toEqual(["40"]);
      expect(child.told("consumed")).toEqual(ALL.slice(0, consumed));
      expect(again).toEqual(ALL.slice(40));
    },
  );

  it("while one listener runs and those behind it have returned: gets all from that message on again", async () => {
    using folder = tempFolder();
    await using child = startChild("consume-until.mjs", folder.file("a.db"), "waiting");

    await child.tells("stopped");
    await child.kill();
    await using crashed = await openCrashedStore(folder.file("a.db"));
    const again = await consumeRest(crashed);

    expect(child.told("consumed")).toEqual(ALL.filter((name) => name !== "44"));
    expect(again).toEqual(ALL.slice(44));
  });

  it("after the offset is stored: gets nothing again", async () => {
    using folder = tempFolder();
    await using child = startChild("consume-until.mjs", folder.file("a.db"), "after-offset");

    await child.tells("stopped");
    await child.kill();
    await using crashed = await openCrashedStore(folder.file("a.db"));
    const again = await consumeRest(crashed);

    expect(child.told("consumed")).toEqual(ALL);
    expect(again).toEqual([]);
  });
});
