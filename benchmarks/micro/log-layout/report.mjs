/** Tables from the results: `node report.mjs` prints them, `node report.mjs --write` puts them between the marks in README.md. */
import { readFileSync, writeFileSync } from "node:fs";
import { argv } from "node:process";
import { fileURLToPath } from "node:url";
import { isWriteOnly } from "./layouts.mjs";

const at = (name) => fileURLToPath(new URL(name, import.meta.url));
const SHAPE_TITLES = {
  single: "single",
  concurrent64: "64 concurrent",
  batch100: "batch of 100",
  bulk1000: "bulk 1,000",
};

function rounded(number) {
  if (number === undefined) return "–";
  if (number >= 1_000) return Math.round(number).toLocaleString("en-US");
  return number >= 100 ? number.toFixed(0) : number >= 10 ? number.toFixed(1) : number.toFixed(2);
}

function table(head, rows) {
  return [head, head.map((_, i) => (i === 0 ? "---" : "---:")), ...rows]
    .map((cells) => `| ${cells.join(" | ")} |`)
    .join("\n");
}

/** Rows: shape and number of queues. Columns: layouts; the best that can be read by queue is bold. */
function byShapeAndQueues(results, queues, shapes, cellOf) {
  const layouts = Object.keys(results.layouts);
  const rows = shapes.flatMap(([title, name]) =>
    queues.map((count) => {
      const figures = layouts.map((layout) => cellOf(layout, count, name));
      const best = Math.min(...figures.filter((figure, i) => figure !== undefined && !isWriteOnly(layouts[i])));
      const cells = figures.map((figure, i) =>
        figure === best && !isWriteOnly(layouts[i]) ? `**${rounded(figure)}**` : rounded(figure),
      );
      return [`${title}, ${count.toLocaleString("en-US")} q`, ...cells];
    }),
  );
  const used = layouts.map((_, i) => i === 0 || rows.some((row) => row[i + 1] !== "–"));
  const keep = (cells) => cells.filter((_, i) => i === 0 || used[i - 1]);
  return table(keep(["", ...layouts]), rows.map(keep));
}

export function printTables(results) {
  const { cells, machine, settings } = results;
  const queues = [
    ...new Set(
      Object.keys(cells)
        .filter((key) => key.startsWith("size|"))
        .map((key) => Number(key.split("|")[2])),
    ),
  ];
  const shapes = Object.entries(SHAPE_TITLES).map(([name, title]) => [title, name]);
  const write = (synchronous, figure) => (layout, count, shape) =>
    cells[`write|${layout}|${count}|${synchronous}|${shape}`]?.[figure];
  const read =
    (fill, figure = "cpuUs") =>
    (layout, count, what) =>
      cells[`read|${layout}|${count}|${fill}|${what}`]?.[figure];
  const pages = [
    ["one queue after another", "pageOneQueue"],
    ["all queues in turn", "pageAllQueues"],
    ["whole blocks", "blocksOneQueue"],
  ];
  const points = [
    ["by (queue, offset)", "pointByQueue"],
    ["by commit log offset", "pointByLogOffset"],
    ["offset by time", "searchByTime"],
  ];
  const size = (figure) => (layout, count, fill) => figure(cells[`size|${layout}|${count}|${fill}`]);
  const fills = [
    ["64 concurrent", "concurrent64"],
    ["bulk 1,000", "bulk1000"],
  ];
  return [
    `${machine.cpu}; ${machine.disk}; Node ${machine.node}; SQLite ${machine.sqlite}; ${settings.recordBytes}-byte records ` +
      `(${settings.bodyBytes}-byte bodies); ${settings.messagesInTheFileBefore.toLocaleString("en-US")} messages in the file before; ` +
      `${results.seconds} s in all; medians of ${settings.rounds.normal} (normal) and ${settings.rounds.full} (full, reads, cutting).`,
    "#### Write, `synchronous = normal`: µs of CPU a message",
    byShapeAndQueues(results, queues, shapes, write("normal", "cpuUs")),
    "#### Write, `synchronous = full`: µs of wall time a message",
    byShapeAndQueues(results, queues, shapes, write("full", "wallUs")),
    "#### Write, `synchronous = full`: µs of CPU a message",
    byShapeAndQueues(results, queues, shapes, write("full", "cpuUs")),
    "#### Bytes written to the WAL a message",
    byShapeAndQueues(results, queues, shapes, write("normal", "walBytes")),
    "#### Longest commit in ms, normal (an auto-checkpoint is in it)",
    byShapeAndQueues(results, queues, shapes, write("normal", "longestCommitMs")),
    "#### Largest WAL file in MB, normal",
    byShapeAndQueues(results, queues, shapes, (...cell) => {
      const bytes = write("normal", "walFileBytes")(...cell);
      return bytes === undefined ? undefined : bytes / 1e6;
    }),
    "#### File, bytes a message, by what it was filled with",
    byShapeAndQueues(
      results,
      queues,
      fills,
      size((cell) => cell?.fileBytes),
    ),
    "#### Read pages of 32, filled 64 a commit: µs of CPU a message",
    byShapeAndQueues(results, queues, pages, read("concurrent64")),
    "#### Read pages of 32, filled 1,000 a commit: µs of CPU a message",
    byShapeAndQueues(results, queues, pages, read("bulk1000")),
    "#### Find one, filled 64 a commit: µs of CPU",
    byShapeAndQueues(results, queues, points, read("concurrent64")),
    "#### Find one, filled 1,000 a commit: µs of CPU",
    byShapeAndQueues(results, queues, points, read("bulk1000")),
    "#### Cut off the oldest tenth, filled 64 a commit, normal",
    byShapeAndQueues(
      results,
      queues,
      [
        ["µs of CPU a message", "cpuUs"],
        ["longest step, ms", "longestStepMs"],
        ["vacuum, µs a message", "vacuumCpuUs"],
        ["longest vacuum step, ms", "longestVacuumMs"],
      ],
      (layout, count, figure) => read("concurrent64", figure)(layout, count, "cutNormal"),
    ),
    "#### Cut off the oldest tenth, filled 64 a commit, full",
    byShapeAndQueues(
      results,
      queues,
      [
        ["µs of CPU a message", "cpuUs"],
        ["longest step, ms", "longestStepMs"],
        ["longest vacuum step, ms", "longestVacuumMs"],
      ],
      (layout, count, figure) => read("concurrent64", figure)(layout, count, "cutFull"),
    ),
  ].join("\n\n");
}

/** The figures the decision rests on, for 1, 64 and 1,024 queues. */
export function printSummary({ cells, layouts }) {
  const counts = Object.keys(cells).map((key) => Number(key.split("|")[2]));
  const shown = [1, 64, 1_024].filter((queues) => counts.includes(queues));
  const figures = [
    ["single", (layout, queues) => cells[`write|${layout}|${queues}|normal|single`].cpuUs],
    ["64 concurrent", (layout, queues) => cells[`write|${layout}|${queues}|normal|concurrent64`].cpuUs],
    ["64 concurrent, full, wall", (layout, queues) => cells[`write|${layout}|${queues}|full|concurrent64`].wallUs],
    ["batch of 100", (layout, queues) => cells[`write|${layout}|${queues}|normal|batch100`].cpuUs],
    ["bulk 1,000", (layout, queues) => cells[`write|${layout}|${queues}|normal|bulk1000`].cpuUs],
    ["page of 32", (layout, queues) => cells[`read|${layout}|${queues}|concurrent64|pageOneQueue`]?.cpuUs],
    ["cut", (layout, queues) => cells[`read|${layout}|${queues}|concurrent64|cutNormal`].cpuUs],
    ["WAL bytes, 64 concurrent", (layout, queues) => cells[`write|${layout}|${queues}|normal|concurrent64`].walBytes],
    ["file bytes", (layout, queues) => cells[`size|${layout}|${queues}|concurrent64`].fileBytes],
  ];
  const rows = Object.keys(layouts).map((layout) => [
    layout,
    ...figures.map(([, figure]) => shown.map((queues) => rounded(figure(layout, queues))).join(" · ")),
  ]);
  return table(["", ...figures.map(([title]) => title)], rows);
}

/** Rows: what was measured. Columns: layout × messages in the file. */
export function printLarge({ cells, layouts, queues, sizes }) {
  const figures = [
    ["single, µs of CPU", (cell) => cell.write.single.cpuUs],
    ["64 concurrent, µs of CPU", (cell) => cell.write.concurrent64.cpuUs],
    ["64 concurrent, WAL bytes", (cell) => cell.write.concurrent64.walBytes],
    ["batch of 100, µs of CPU", (cell) => cell.write.batch100.cpuUs],
    ["bulk 1,000, µs of CPU", (cell) => cell.write.bulk1000.cpuUs],
    ["longest commit of 64, ms", (cell) => cell.write.concurrent64.longestCommitMs],
    ["page of 32, µs of CPU a message", (cell) => cell.read.pageOneQueue.cpuUs],
    ["find by (queue, offset), µs of CPU", (cell) => cell.read.pointByQueue.cpuUs],
    ["find by commit log offset, µs of CPU", (cell) => cell.read.pointByLogOffset.cpuUs],
    ["offset by time, µs of CPU", (cell) => cell.read.searchByTime.cpuUs],
    ["cut, µs of CPU a message", (cell) => cell.read.cutNormal.cpuUs],
    ["cut of 1,000, longest step, ms", (cell) => cell.read.cutNormal.longestStepMs],
    ["file, bytes a message", (cell) => cell.size.fileBytes],
  ];
  const columns = layouts.flatMap((layout) => sizes.map((messages) => ({ layout, messages })));
  const head = ["", ...columns.map(({ layout, messages }) => `${layout}, ${messages / 1_000}k`)];
  const rows = queues.flatMap((count) =>
    figures.map(([title, figure]) => [
      `${count.toLocaleString("en-US")} q: ${title}`,
      ...columns.map(({ layout, messages }) => rounded(figure(cells[`${layout}|${count}|${messages}`]))),
    ]),
  );
  return table(head, rows);
}

function replaceBetween(text, mark, tables) {
  const [before, , after] = text.split(new RegExp(`<!-- ${mark}(?: end)? -->`));
  return `${before}<!-- ${mark} -->\n${tables}\n<!-- ${mark} end -->${after}`;
}

if (argv[1] === at("report.mjs")) {
  const results = JSON.parse(readFileSync(at("results.json"), "utf8"));
  const summary = printSummary(results);
  const tables = printTables(results);
  const large = printLarge(JSON.parse(readFileSync(at("large-results.json"), "utf8")));
  if (argv.includes("--write")) {
    let readme = readFileSync(at("README.md"), "utf8");
    for (const [mark, text] of Object.entries({ summary, large, tables })) readme = replaceBetween(readme, mark, text);
    writeFileSync(at("README.md"), readme);
  } else {
    process.stdout.write(`${[summary, tables, large].join("\n\n")}\n`);
  }
}
