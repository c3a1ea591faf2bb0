import { describe, expect, it, vi } from "vitest";
import { registerOpenFile } from "../../lib/store/open-files.js";

const PATH = "/somewhere/app.db";

describe("registerOpenFile", () => {
  it("wakes every other engine on the file, and no engine on another file", () => {
    const woken: string[] = [];
    const engines = ["a", "b", "c"].map((name) => registerOpenFile(PATH, () => woken.push(name)));
    const elsewhere = registerOpenFile("/somewhere/other.db", () => woken.push("elsewhere"));

    engines[1]?.committed();

    expect(woken).toEqual(["a", "c"]);
    for (const engine of [...engines, elsewhere]) engine.close();
  });

  it("wakes no engine that has closed, and lets one close while it is woken", () => {
    const woken: string[] = [];
    const first = registerOpenFile(PATH, () => undefined);
    const second = registerOpenFile(PATH, () => {
      woken.push("second");
      second.close();
    });
    const third = registerOpenFile(PATH, () => woken.push("third"));

    first.committed();
    first.committed();

    expect(woken).toEqual(["second", "third", "third"]);
    first.close();
    third.close();
  });

  it("starts afresh after the last engine closed, a second close notwithstanding", () => {
    const woken: string[] = [];
    const old = registerOpenFile(PATH, () => woken.push("old"));
    old.close();

    const first = registerOpenFile(PATH, () => woken.push("first"));
    old.close();
    const second = registerOpenFile(PATH, () => woken.push("second"));
    second.committed();

    expect(woken).toEqual(["first"]);
    first.close();
    second.close();
  });

  it("finds the engines of another copy of the module in the process", async () => {
    const woken: string[] = [];
    const own = registerOpenFile(PATH, () => woken.push("own"));
    vi.resetModules();
    const copy = await import("../../lib/store/open-files.js");

    const other = copy.registerOpenFile(PATH, () => woken.push("other"));
    other.committed();

    expect(copy.registerOpenFile).not.toBe(registerOpenFile);
    expect(woken).toEqual(["own"]);
    own.close();
    other.close();
  });
});
