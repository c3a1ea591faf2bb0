// Reads what record-calls.c wrote, and tells files from their names and descriptors.

const HEADER_SIZE = 24;

/**
 * The events, in order; `file` numbers the files as they came to be, so that one that is made again under an old name is another:
 *
 * - `create` file, name: a new file, or another name of one · `unlink` name · `sync-folder`
 * - `write` file, offset, bytes · `truncate` file, size · `sync` file
 * - `mark` mark: what the workload told
 */
export function readLog(log) {
  const names = new FileNames();
  const events = [];
  for (let at = 0; at < log.length; ) {
    const kind = String.fromCharCode(log.readUInt32LE(at));
    const descriptor = log.readInt32LE(at + 4);
    const offset = Number(log.readBigUInt64LE(at + 8));
    const size = Number(log.readBigUInt64LE(at + 16));
    const bytes = log.subarray(at + HEADER_SIZE, at + HEADER_SIZE + size);
    const event = toEvent(names, { kind, descriptor, offset, bytes });
    if (event !== undefined) events.push(event);
    at += HEADER_SIZE + size;
  }
  return events;
}

function toEvent(names, { kind, descriptor, offset, bytes }) {
  switch (kind) {
    case "O":
      return names.open(descriptor, withoutChance(bytes.toString()));
    case "C":
      names.close(descriptor);
      return undefined;
    case "U":
      return names.unlink(withoutChance(bytes.toString()));
    case "L":
      return names.link(...bytes.toString().split("\0").map(withoutChance));
    case "W":
      return { kind: "write", file: names.fileOf(descriptor), offset, bytes };
    case "T":
      return { kind: "truncate", file: names.fileOf(descriptor), size: offset };
    case "S": {
      const file = names.fileOf(descriptor);
      return file === FOLDER ? { kind: "sync-folder" } : { kind: "sync", file, name: names.nameOf(file) };
    }
    case "M":
      return { kind: "mark", mark: JSON.parse(bytes.toString()) };
    default:
      throw new Error(`a call that the model of the disk does not know: ${bytes.toString()}`);
  }
}

/** A new store is made under another name, of which the end is chosen by chance. */
function withoutChance(name) {
  return name.replace(/-new-\w+$/, "-new");
}

const FOLDER = -1;

class FileNames {
  #files = new Map();
  #names = new Map();
  #descriptors = new Map();
  #count = 0;

  open(descriptor, name) {
    if (name === "") {
      this.#descriptors.set(descriptor, FOLDER);
      return undefined;
    }
    const known = this.#files.get(name);
    if (known !== undefined) {
      this.#descriptors.set(descriptor, known);
      return undefined;
    }
    const file = this.#count;
    this.#count += 1;
    this.#files.set(name, file);
    this.#names.set(file, name);
    this.#descriptors.set(descriptor, file);
    return { kind: "create", file, name };
  }

  close(descriptor) {
    this.#descriptors.delete(descriptor);
  }

  link(name, other) {
    const file = this.#files.get(name);
    this.#files.set(other, file);
    this.#names.set(file, other);
    return { kind: "create", file, name: other };
  }

  unlink(name) {
    this.#files.delete(name);
    return { kind: "unlink", name };
  }

  fileOf(descriptor) {
    const file = this.#descriptors.get(descriptor);
    if (file === undefined) throw new Error(`descriptor ${descriptor} was never opened`);
    return file;
  }

  nameOf(file) {
    return this.#names.get(file);
  }
}
