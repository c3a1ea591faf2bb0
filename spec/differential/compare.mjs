// How two histories differ, and which differences COMPATIBILITY.md gives reasons for.

/** One value that differs. `path` leads to it within the step. */
export function differences(scenario, rocketmq, pocketmq) {
  const steps = new Set([...Object.keys(rocketmq), ...Object.keys(pocketmq)]);
  return [...steps].flatMap((step) =>
    differing(rocketmq[step], pocketmq[step], []).map((found) => ({ step: `${scenario}/${step}`, ...found })),
  );
}

function differing(rocketmq, pocketmq, path) {
  if (Object.is(rocketmq, pocketmq)) return [];
  if (isObject(rocketmq) && isObject(pocketmq) && Array.isArray(rocketmq) === Array.isArray(pocketmq)) {
    const names = new Set([...Object.keys(rocketmq), ...Object.keys(pocketmq)]);
    return [...names].flatMap((name) => differing(rocketmq[name], pocketmq[name], [...path, name]));
  }
  return [{ path: path.join("."), rocketmq, pocketmq }];
}

const isObject = (value) => typeof value === "object" && value !== null;

/**
 * The rows of the table of differences: `scenario/step`, or `scenario/step: path` for a part of it, several in one row, a star for any ending; then what RocketMQ does, what
 * PocketMQ does, and why. What is in backticks in those two columns is said by each difference of the row.
 */
export function readRows(markdown) {
  const [, section = ""] = markdown.split("\n## Differential\n");
  const [table] = section.split("\n## ");
  const lines = table.split("\n").filter((line) => line.startsWith("| `"));
  return lines.map((line) => {
    const [ids, rocketmq, pocketmq, why] = line.slice(2, -2).split(" | ");
    return { ids: quoted(ids), rocketmq: quoted(rocketmq), pocketmq: quoted(pocketmq), why, line };
  });
}

function quoted(cell = "") {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, text]) => text);
}

/** Differences that have no row, or one that says what is not so. */
export function judge(found, rows) {
  return found.flatMap((difference) => {
    const row = rows.find(({ ids }) => ids.some((id) => matches(difference, id)));
    if (row === undefined) return [`no row for ${describe(difference)}`];
    const isSaid = (side) => (text) => JSON.stringify(difference[side] ?? null).includes(text);
    const wrong = ["rocketmq", "pocketmq"].flatMap((side) => row[side].filter((text) => !isSaid(side)(text)));
    return wrong.map((text) => `"${text}" is not what is said: ${describe(difference)}`);
  });
}

/** Rows that nothing is said of any more, and those that say no reason. */
export function idle(found, rows) {
  const ids = rows.flatMap(({ ids }) => ids).filter((id) => !found.some((difference) => matches(difference, id)));
  const unexplained = rows.filter(({ why }) => !why);
  return [
    ...ids.map((id) => `nothing differs, so it needs no row: ${id}`),
    ...unexplained.map(({ line }) => `a row without a reason: ${line}`),
  ];
}

function matches({ step, path }, id) {
  const whole = path === "" ? step : `${step}: ${path}`;
  if (id.endsWith("*")) return whole.startsWith(id.slice(0, -1));
  return whole === id || step === id || whole.startsWith(`${id}.`);
}

function describe({ step, path, rocketmq, pocketmq }) {
  return `${step}: ${path}\n    RocketMQ ${JSON.stringify(rocketmq)}\n    PocketMQ ${JSON.stringify(pocketmq)}`;
}
