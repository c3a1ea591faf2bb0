const MAX_SUGGESTIONS = 3;
const MAX_EDITS = 4;

/** Known names that may have been meant: the same but for case and separators, or a few edits away; nearest first. */
export function nearMisses(name: string, known: readonly string[]): readonly string[] {
  const limit = Math.min(MAX_EDITS, Math.max(1, Math.floor(name.length / 3)));
  return known
    .map((candidate) => ({
      candidate,
      distance: plain(candidate) === plain(name) ? 0 : editDistance(name, candidate, limit),
    }))
    .filter(({ distance }) => distance <= limit)
    .sort((a, b) => a.distance - b.distance || (a.candidate < b.candidate ? -1 : 1))
    .slice(0, MAX_SUGGESTIONS)
    .map(({ candidate }) => candidate);
}

function plain(name: string): string {
  return name.toLowerCase().replace(/[_-]/g, "");
}

/** Levenshtein's distance, or `limit + 1` for anything above the limit. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit) return limit + 1;
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const substitution = (previous[column - 1] as number) + (a[row - 1] === b[column - 1] ? 0 : 1);
      current.push(Math.min(substitution, (previous[column] as number) + 1, (current[column - 1] as number) + 1));
    }
    if (Math.min(...current) > limit) return limit + 1;
    previous = current;
  }
  return Math.min(previous[b.length] as number, limit + 1);
}
