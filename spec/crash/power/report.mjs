// What a run prints.

const SHOWN_PROBLEMS = 8;
const SHOWN_FINDINGS = 4;

export function describeResult({ name, synchronous, promise, seed, seconds, events, syncs, cuts, states, problems }) {
  const families = Object.entries(cuts).map(([family, count]) => `${count} ${family}`);
  const shown = problems
    .slice(0, SHOWN_PROBLEMS)
    .flatMap(({ cut, found }) => [`  ${cut}`, ...found.slice(0, SHOWN_FINDINGS).map((text) => `    ${text}`)]);
  const more = problems.length - SHOWN_PROBLEMS;
  const lines = [
    `${name}, synchronous ${synchronous}, judged as ${promise}, seed ${seed}: ${events} events, ${syncs} of them sync points`,
    `  cuts: ${families.join(", ")}`,
    `  ${states} distinct states in ${seconds.toFixed(1)} s, ${problems.length} cuts with problems`,
    ...shown,
    ...(more > 0 ? [`  and ${more} more`] : []),
  ];
  return `${lines.join("\n")}\n`;
}

export function summarize(results, seconds) {
  const sum = (pick) => results.reduce((total, result) => total + pick(result), 0);
  const cuts = sum((result) => Object.values(result.cuts).reduce((total, count) => total + count, 0));
  return (
    `${results.length} runs in ${seconds.toFixed(1)} s: ${sum(({ syncs }) => syncs)} sync points, ${cuts} cuts, ` +
    `${sum(({ states }) => states)} distinct states, ${sum(({ problems }) => problems.length)} cuts with problems\n`
  );
}
