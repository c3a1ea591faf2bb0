import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { startChild } from "../support/child-process.js";
import { tempFolder } from "../support/temp-folder.js";

describe("opening a broker on a file that another process has locked", () => {
  it.each(["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"])(
    "waits for the end of its %s, also when nothing else keeps the process alive",
    async (lock) => {
      using folder = tempFolder();
      const path = folder.file("app.db");
      const locker = new Database(path);
      locker.exec(lock);
      await using child = startChild("open-locked.mjs", path);
      await child.tells("waiting");

      locker.exec("COMMIT");
      locker.close();

      expect(await child.ends()).toEqual({ code: 0, signal: null });
      expect(child.told("opened")).toHaveLength(1);
    },
  );
});
