// One recorded run of a workload, with every power cut that is tried on it.

import { createHash } from "node:crypto";
import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { cutsOf, isSync } from "./cuts.mjs";
import { judge } from "./judge.mjs";
import { Observer } from "./observer.mjs";

/** Of so many problems of a run the files are kept. */
const KEPT_PROBLEMS = 10;

/** @returns counts, and `problems`: each with the cut, what was found and, of the first ones, the files. */
export async function tryCuts({ events, workload, level, folder, options }) {
  const observer = new Observer(mkdtempSync(join(folder, "rebuilt-")), workload, level.synchronous);
  const keys = new StateKeys();
  const observations = new Map();
  const digests = [];
  const problems = [];
  const counts = { events: events.length, syncs: events.filter(isSync).length, cuts: {}, states: 0 };
  const from = workload.cutsOpening ? 0 : events.findIndex(({ kind }) => kind === "mark");
  for (const cut of cutsOf(events, { ...options, from })) {
    counts.cuts[cut.family] = (counts.cuts[cut.family] ?? 0) + 1;
    const key = keys.of(cut.files);
    if (!observations.has(key)) observations.set(key, await observer.observe(cut.files));
    const observation = observations.get(key);
    if (cut.family === "all") digests[cut.point] = observation.digest;
    const told = toldBefore(events, cut.point);
    const found = [...observation.problems];
    if (observation.content !== undefined)
      found.push(...judge({ point: cut.point, promise: level.promise, told, digests }, observation));
    if (found.length === 0) continue;
    const { point, family, detail, files } = cut;
    const name = `after event ${point}: ${family} ${detail}`.trimEnd();
    if (problems.length === options.maxProblems) break;
    problems.push({ cut: name, found, files: problems.length < KEPT_PROBLEMS ? files : undefined });
  }
  return { ...counts, states: observations.size, problems };
}

function toldBefore(events, point) {
  return events
    .slice(0, point)
    .flatMap(({ kind, mark }, index) => (kind === "mark" ? [{ mark, after: index + 1 }] : []));
}

/** Equal for equal files. What no change touches is hashed once. */
class StateKeys {
  #digests = new WeakMap();

  of(files) {
    const sorted = [...files].sort(([one], [other]) => (one < other ? -1 : 1));
    return sorted.map(([name, bytes]) => `${name} ${this.#digestOf(bytes)}`).join("\n");
  }

  #digestOf(bytes) {
    const known = this.#digests.get(bytes);
    if (known !== undefined) return known;
    const digest = createHash("sha1").update(bytes).digest("latin1");
    this.#digests.set(bytes, digest);
    return digest;
  }
}
