import { describe, expect, it } from "vitest";
import { Disk, type DiskEvent, SECTOR } from "./disk.mjs";

const CREATE: DiskEvent = { kind: "create", file: 0, name: "a" };
const UNLINK: DiskEvent = { kind: "unlink", name: "a" };
const SYNC: DiskEvent = { kind: "sync", file: 0, name: "a" };
const SYNC_FOLDER: DiskEvent = { kind: "sync-folder" };

const write = (offset: number, text: string): DiskEvent => ({
  kind: "write",
  file: 0,
  offset,
  bytes: Buffer.from(text),
});
const truncate = (size: number): DiskEvent => ({ kind: "truncate", file: 0, size });

function diskAfter(...events: readonly DiskEvent[]): Disk {
  const disk = new Disk();
  for (const [index, event] of events.entries()) disk.apply(event, index);
  return disk;
}

/** With a file "a" that is certain to be there and to hold this. */
function diskWith(text: string, ...events: readonly DiskEvent[]): Disk {
  return diskAfter(CREATE, write(0, text), SYNC, SYNC_FOLDER, ...events);
}

function textsAfter(disk: Disk, ...kept: readonly (boolean | readonly boolean[])[]): Readonly<Record<string, string>> {
  return Object.fromEntries([...disk.filesAfter(kept)].map(([name, bytes]) => [name, bytes.toString()]));
}

describe("a disk that loses power", () => {
  it("keeps what was synced", () => {
    const disk = diskWith("old", write(0, "new"), SYNC);

    expect(disk.pending).toEqual([]);
    expect(textsAfter(disk)).toEqual({ a: "new" });
  });

  it("keeps any of the changes since the last sync, the later ones on top", () => {
    const disk = diskWith("....", write(0, "ab"), write(1, "cd"));

    expect(textsAfter(disk, false, false)).toEqual({ a: "...." });
    expect(textsAfter(disk, true, false)).toEqual({ a: "ab.." });
    expect(textsAfter(disk, false, true)).toEqual({ a: ".cd." });
    expect(textsAfter(disk, true, true)).toEqual({ a: "acd." });
  });

  it("has zeros where a write is missing in front of another", () => {
    const disk = diskWith("", write(0, "ab"), write(2, "cd"));

    expect(textsAfter(disk, false, true)).toEqual({ a: "\0\0cd" });
  });

  it("cuts a file, or does not", () => {
    const disk = diskWith("abcd", truncate(1), write(2, "x"));

    expect(textsAfter(disk, true, false)).toEqual({ a: "a" });
    expect(textsAfter(disk, true, true)).toEqual({ a: "a\0x" });
    expect(textsAfter(disk, false, true)).toEqual({ a: "abxd" });
  });

  it("tears a write where the file's sectors end", () => {
    const disk = diskWith("-".repeat(3 * SECTOR), write(SECTOR - 2, "x".repeat(SECTOR)));

    const first = textsAfter(disk, [true, false])["a"];
    const last = textsAfter(disk, [false, true])["a"];

    expect(first).toBe(`${"-".repeat(SECTOR - 2)}xx${"-".repeat(2 * SECTOR)}`);
    expect(last).toBe(`${"-".repeat(SECTOR)}${"x".repeat(SECTOR - 2)}${"-".repeat(SECTOR + 2)}`);
  });

  it("makes a file that grows by a torn write only as long as what is there of it", () => {
    const disk = diskWith("", write(0, "x".repeat(2 * SECTOR)));

    expect(textsAfter(disk, [true, false])).toEqual({ a: "x".repeat(SECTOR) });
  });

  it("finds a new file for certain only after a sync of the folder", () => {
    const disk = diskAfter(CREATE, write(0, "new"), SYNC);

    expect(textsAfter(disk, false)).toEqual({});
    expect(textsAfter(disk, true)).toEqual({ a: "new" });
  });

  it("may have a removed file back, as it was, until the folder is synced", () => {
    const disk = diskWith("old", UNLINK, { kind: "create", file: 1, name: "a" });

    expect(textsAfter(disk, false, false)).toEqual({ a: "old" });
    expect(textsAfter(disk, true, false)).toEqual({});
    expect(textsAfter(disk, false, true)).toEqual({ a: "" });
    disk.apply(SYNC_FOLDER, 6);
    expect(textsAfter(disk)).toEqual({ a: "" });
  });

  it("keeps nothing for certain when it only pretends to sync", () => {
    const disk = new Disk(({ kind }) => kind === "sync");
    for (const [index, event] of [CREATE, SYNC_FOLDER, write(0, "new"), SYNC].entries()) disk.apply(event, index);

    expect(textsAfter(disk, false)).toEqual({ a: "" });
  });
});
