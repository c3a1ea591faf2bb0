export function median(numbers) {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** `trials` are `{ scenario, driver, synchronous, round, figures }`. */
export function figuresOf(trials, scenario, synchronous, driver) {
  return trials.filter(
    (trial) => trial.scenario === scenario && trial.synchronous === synchronous && trial.driver === driver,
  );
}

/** The median of each figure; for the longest of something, and for what must not be, the most of all. */
export function medians(cell) {
  const [first] = cell;
  if (first === undefined) return undefined;
  return Object.fromEntries(
    Object.keys(first.figures).map((name) => {
      const values = cell.map(({ figures }) => figures[name]);
      return [name, /Max|extra/.test(name) ? Math.max(...values) : median(values)];
    }),
  );
}

/**
 * The median over the rounds of one driver's figure divided by another's of the same round, so that what else the machine did in a round is in
 * both; `undefined` where one of them was not measured.
 */
export function ratio(numerators, denominators, figure) {
  const quotients = numerators.flatMap(({ round, figures }) => {
    const other = denominators.find((candidate) => candidate.round === round);
    return other === undefined ? [] : [figures[figure] / other.figures[figure]];
  });
  return quotients.length === 0 ? undefined : median(quotients);
}
