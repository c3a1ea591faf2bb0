/** A column of a table; numbers stand right. */
export interface Column {
  readonly title: string;
  readonly align: "left" | "right";
}

const GAP = "  ";
const GUTTER = "    ";

/** Rows under their titles, as wide as the widest cell, two blanks between columns; each line is indented by two. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  return `${lines(columns, rows).map(indented).join("\n")}\n`;
}

/** The same in as many blocks beside each other as the width has room for, to be read down block by block. */
export function tableInBlocks(columns: readonly Column[], rows: readonly (readonly string[])[], width: number): string {
  const blockWidth = lines(columns, rows)[0]?.length ?? 0;
  const fitting = Math.floor((width - 2 + GUTTER.length) / (blockWidth + GUTTER.length));
  // Few rows are easier to read in one block.
  const blocks = Math.max(1, Math.min(fitting, Math.ceil(rows.length / 5)));
  const height = Math.ceil(rows.length / blocks);
  // Every block has the widths of the whole table, so that they look alike.
  const [title = "", ...body] = lines(columns, rows);
  const used = Math.ceil(body.length / Math.max(height, 1));
  const beside = [Array.from({ length: used }, () => title)];
  for (let at = 0; at < height; at += 1) {
    beside.push(Array.from({ length: used }, (_, block) => body[block * height + at] ?? ""));
  }
  return `${beside.map((cells) => indented(cells.join(GUTTER))).join("\n")}\n`;
}

function lines(columns: readonly Column[], rows: readonly (readonly string[])[]): readonly string[] {
  const titles = columns.map(({ title }) => title);
  const widths = columns.map(({ title }, at) =>
    rows.reduce((widest, row) => Math.max(widest, row[at]?.length ?? 0), title.length),
  );
  return [titles, ...rows].map((row) =>
    columns
      .map(({ align }, at) => {
        const cell = row[at] ?? "";
        return align === "left" ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0);
      })
      .join(GAP),
  );
}

function indented(line: string): string {
  return `  ${line}`.trimEnd();
}
