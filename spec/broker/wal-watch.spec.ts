import { appendFileSync, writeFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { WalWatch } from "../../lib/broker/wal-watch.js";
import { type TempFolder, tempFolder } from "../support/temp-folder.js";

/** I/O of the file system comes within so many turns, or never. */
const ENOUGH_TURNS = 20_000;

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve));
}

async function until(isTrue: () => boolean): Promise<void> {
  for (let turn = 0; turn < ENOUGH_TURNS && !isTrue(); turn += 1) await turns(1);
}

/** A file in the place of a log, and how often it was looked whether somebody has committed. */
interface Watched {
  readonly watch: WalWatch;
  readonly looks: () => number;
  write(): void;
  /** From now on a look finds a commit. */
  commit(): void;
}

let folder: TempFolder;
const open: WalWatch[] = [];

beforeEach(() => {
  folder = tempFolder();
});
afterEach(() => {
  for (const watch of open.splice(0)) watch.stop();
  folder[Symbol.dispose]();
});

async function watched(): Promise<Watched> {
  const path = folder.file("app.db-wal");
  writeFileSync(path, "");
  let [looks, isCommitted] = [0, false];
  const watch = new WalWatch(path, () => {
    looks += 1;
    return isCommitted;
  });
  open.push(watch);
  watch.start();
  await turns(50);
  return {
    watch,
    looks: () => looks,
    write: () => appendFileSync(path, "frame"),
    commit: () => {
      isCommitted = true;
    },
  };
}

describe("WalWatch", () => {
  it("looks again and again after somebody has written, until what he wrote is committed, and then no more", async () => {
    const { looks, write, commit } = await watched();
    const before = looks();

    write();
    await until(() => looks() >= 5);
    const early = looks();
    commit();
    await until(() => looks() > early);
    await turns(1_000);

    expect([before, looks() > early]).toEqual([0, true]);
    // A write may cause more than one event.
    expect(looks() - early).toBeLessThan(5);
  });

  it("looks a few times more, later, when the commit takes long, and gives up at last", async () => {
    const { looks, write } = await watched();

    write();
    await until(() => looks() > 0);
    const counts: number[] = [];
    for (let round = 0; round < 40; round += 1) {
      await turns(5_000);
      counts.push(looks());
    }

    expect(counts.slice(-20)).toEqual(Array.from({ length: 20 }, () => counts.at(-1)));
  });

  it("does not look each turn after a write of its own", async () => {
    const { watch, looks, write } = await watched();

    for (let round = 0; round < 20; round += 1) {
      write();
      watch.wrote();
      await turns(50);
    }

    expect(looks()).toBeLessThan(20);
  });

  it("does nothing before it is started, after it was stopped, and where there is no file", async () => {
    const { watch, looks, write } = await watched();
    const nowhere = new WalWatch(folder.file("missing-wal"), () => true);
    nowhere.start();

    watch.stop();
    write();
    await turns(500);

    expect([looks(), watch.isOn, nowhere.isOn]).toEqual([0, false, false]);
  });

  it("can be started again", async () => {
    const { watch, looks, write } = await watched();
    watch.stop();

    watch.start();
    await turns(50);
    write();
    await until(() => looks() > 0);

    expect(looks()).toBeGreaterThan(0);
  });
});
