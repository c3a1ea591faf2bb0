// What a disk may hold when the power fails.

/** Writes may be torn between sectors: the smallest part of a file that is written entirely or not at all. */
export const SECTOR = 512;

/**
 * A disk with a cache that is lost. What was done to a file before its last sync is there. Of what came later each change may be there or not,
 * whatever became of the others, and a write may be there in some of its sectors only; a file is as long as what is there of it demands, with zeros
 * where a write is missing. The names in the folder are a file of their own in this, with a sync of their own: a file that was made is found,
 * and one that was removed is gone, for certain only after that.
 *
 * No file system is that bad. But each of these outcomes is one that POSIX allows, and SQLite claims to survive all of them.
 */
export class Disk {
  #files = new Map();
  #names = new Map();
  #pending = [];
  #ignores;

  /** @param ignores - whether a sync is one that this disk only pretends to do. */
  constructor(ignores = () => false) {
    this.#ignores = ignores;
  }

  /** The changes that no sync has made certain, oldest first. */
  get pending() {
    return this.#pending;
  }

  /** @param event - of a recorded log; `index` is its place there. */
  apply(event, index) {
    switch (event.kind) {
      case "create":
        if (!this.#files.has(event.file)) this.#files.set(event.file, Buffer.alloc(0));
        this.#pending.push({ ...event, index });
        break;
      case "write":
      case "truncate":
      case "unlink":
        this.#pending.push({ ...event, index });
        break;
      case "sync":
        if (!this.#ignores(event)) this.#sync(event.file);
        break;
      case "sync-folder":
        if (!this.#ignores(event)) this.#syncFolder();
        break;
      case "mark":
        break;
      default:
        throw new Error(`unknown event ${event.kind}`);
    }
  }

  /**
   * The files after a power cut, by name.
   *
   * @param kept - for each pending change `true`, `false` or, for a torn write, whether each of its sectors is there; what is left out is not.
   */
  filesAfter(kept) {
    const changes = new Map();
    const names = new Map(this.#names);
    for (const [place, change] of this.#pending.entries()) {
      const part = kept[place] ?? false;
      if (part === false) continue;
      if (change.kind === "create") names.set(change.name, change.file);
      else if (change.kind === "unlink") names.delete(change.name);
      else getOrAdd(changes, change.file).push({ change, part });
    }
    const files = new Map();
    for (const [name, file] of names) files.set(name, contentWith(this.#files.get(file), changes.get(file) ?? []));
    return files;
  }

  #sync(file) {
    const isOf = (change) => change.file === file && (change.kind === "write" || change.kind === "truncate");
    const changes = this.#pending.filter(isOf).map((change) => ({ change, part: true }));
    this.#files.set(file, contentWith(this.#files.get(file), changes));
    this.#pending = this.#pending.filter((change) => !isOf(change));
  }

  #syncFolder() {
    const isName = ({ kind }) => kind === "create" || kind === "unlink";
    for (const change of this.#pending.filter(isName)) {
      if (change.kind === "create") this.#names.set(change.name, change.file);
      else this.#names.delete(change.name);
    }
    this.#pending = this.#pending.filter((change) => !isName(change));
  }
}

/** How many sectors a write touches. A sector is one of the file, wherever the write begins. */
export function sectorsOf({ offset, bytes }) {
  return Math.ceil((offset + bytes.length) / SECTOR) - Math.floor(offset / SECTOR);
}

function contentWith(durable, changes) {
  if (changes.length === 0) return durable;
  const ends = changes.map(({ change }) =>
    change.kind === "write" ? change.offset + change.bytes.length : change.size,
  );
  const content = Buffer.alloc(Math.max(durable.length, ...ends));
  durable.copy(content);
  let size = durable.length;
  for (const { change, part } of changes) {
    if (change.kind === "truncate") {
      if (change.size < size) content.fill(0, change.size, size);
      size = change.size;
    } else {
      size = Math.max(size, writeInto(content, change, part));
    }
  }
  return content.subarray(0, size);
}

/** Returns where the last part that is written ends, 0 when there is none. */
function writeInto(content, { offset, bytes }, part) {
  if (part === true) {
    bytes.copy(content, offset);
    return offset + bytes.length;
  }
  const first = Math.floor(offset / SECTOR);
  let end = 0;
  for (const [sector, isThere] of part.entries()) {
    if (!isThere) continue;
    const from = Math.max(offset, (first + sector) * SECTOR);
    end = Math.min(offset + bytes.length, (first + sector + 1) * SECTOR);
    bytes.copy(content, from, from - offset, end - offset);
  }
  return end;
}

function getOrAdd(map, key) {
  const list = map.get(key) ?? [];
  map.set(key, list);
  return list;
}
