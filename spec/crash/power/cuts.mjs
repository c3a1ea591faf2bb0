// Which power cuts of a recorded run are tried.

import { seededRandom } from "./chance.mjs";
import { Disk, sectorsOf } from "./disk.mjs";

/**
 * A cut: `point`, how many events had happened; `family` and `detail`, which of the pending changes are on the disk; `files`.
 *
 * After each event: everything issued is on the disk (`all`), or only what is certain (`certain`). Before each sync, and at the end, with all that is
 * pending there: the first k changes of one file with all or none of the others (`prefix`), all but one (`without`), one alone (`alone`), one torn with all
 * others or all before it (`torn`), and seeded subsets, in part torn, at a point since the sync before (`subset`).
 *
 * @param from - the first point of all families but `all`.
 * @param ignores - see {@link Disk}.
 * @param subsets - of each interval between two syncs where `per` is "interval", in total where it is "run": then in proportion to what is pending.
 * @param oneIn - of `prefix`, `without`, `alone` and `torn` one in so many, by chance.
 * @param tears - "none"; "few": after the first sector, in the middle, before the last; "all": after each one.
 */
export function* cutsOf(events, { from, ignores, subsets, per, tears, oneIn, seed }) {
  const random = seededRandom(seed);
  const share = per === "run" ? subsets / Math.max(1, pendingAtSyncs(events, from, ignores)) : undefined;
  const disk = new Disk(ignores);
  let since = from;
  yield cut(0, "all", "", []);
  for (const [index, event] of events.entries()) {
    if (index >= from && isSync(event)) {
      yield* cutsBetween(since, index);
      since = index + 1;
    }
    disk.apply(event, index);
    yield cut(index + 1, "all", "", everything(disk));
    if (index >= from && (event.kind === "mark" || isSync(event))) yield cut(index + 1, "certain", "", []);
  }
  yield* cutsBetween(since, events.length);

  function cut(point, family, detail, kept) {
    return { point, family, detail, files: disk.filesAfter(kept) };
  }

  function* cutsBetween(first, last) {
    for (const { family, detail, kept } of choices(disk.pending, tears)) {
      if (random() * oneIn < 1) yield cut(last, family, detail, kept);
    }
    // Where nothing is pending there is one subset.
    const wanted = share === undefined ? subsets : Math.ceil(share * disk.pending.length);
    for (let number = 0; number < wanted && disk.pending.length > 0; number += 1) {
      const point = first + Math.floor(random() * (last - first + 1));
      const issued = disk.pending.filter(({ index }) => index < point);
      yield cut(point, "subset", `${number}`, randomSubset(issued, random));
    }
  }
}

export function isSync({ kind }) {
  return kind === "sync" || kind === "sync-folder";
}

function pendingAtSyncs(events, from, ignores) {
  const disk = new Disk(ignores);
  let sum = 0;
  for (const [index, event] of events.entries()) {
    if (index >= from && isSync(event)) sum += disk.pending.length;
    disk.apply(event, index);
  }
  return sum + disk.pending.length;
}

function everything(disk) {
  return disk.pending.map(() => true);
}

function* choices(pending, tears) {
  const all = pending.map(() => true);
  const none = pending.map(() => false);
  for (const [place, change] of pending.entries()) {
    yield { family: "without", detail: nameOf(change), kept: all.with(place, false) };
    yield { family: "alone", detail: nameOf(change), kept: none.with(place, true) };
    for (const { detail, part } of tearsOf(change, tears)) {
      yield { family: "torn", detail, kept: all.with(place, part) };
      yield {
        family: "torn",
        detail: `${detail}, the last`,
        kept: all.map((_, other) => other < place).with(place, part),
      };
    }
  }
  yield* prefixes(pending);
}

/** Of one file, where the names in the folder count as one. */
function* prefixes(pending) {
  const owner = ({ kind, file }) => (kind === "create" || kind === "unlink" ? "folder" : file);
  for (const file of new Set(pending.map(owner))) {
    const places = pending.flatMap((change, place) => (owner(change) === file ? [place] : []));
    for (let length = 0; length <= places.length; length += 1) {
      const isIn = new Set(places.slice(0, length));
      const detail = `${length} of file ${file}`;
      yield { family: "prefix", detail, kept: pending.map((_, place) => isIn.has(place)) };
      yield {
        family: "prefix",
        detail: `${detail} and all others`,
        kept: pending.map((change, place) => owner(change) !== file || isIn.has(place)),
      };
    }
  }
}

function* tearsOf(change, tears) {
  if (change.kind !== "write" || tears === "none") return;
  const count = sectorsOf(change);
  const ends =
    tears === "all" ? Array.from({ length: count - 1 }, (_, place) => place + 1) : [1, count >> 1, count - 1];
  for (const end of new Set(ends)) {
    if (end < 1 || end >= count) continue;
    const first = Array.from({ length: count }, (_, sector) => sector < end);
    yield { detail: `${nameOf(change)}, first ${end} sectors of ${count}`, part: first };
    yield { detail: `${nameOf(change)}, all but the first ${end} sectors of ${count}`, part: first.map((is) => !is) };
  }
}

function randomSubset(issued, random) {
  const [keep, tear] = [random(), random() * 0.3];
  return issued.map((change) => {
    if (random() >= keep) return false;
    if (change.kind !== "write" || random() >= tear) return true;
    return Array.from({ length: sectorsOf(change) }, () => random() < 0.5);
  });
}

function nameOf({ index, kind }) {
  return `${kind} ${index}`;
}
