import type { MessageView } from "../index.js";

/** Under these names a message says which run sent it, and of which row of the input it is. */
const RUN = "run";
const ROW = "row";

export function runMark(run: string, row: number): Readonly<Record<string, string>> {
  return { [RUN]: run, [ROW]: String(row) };
}

/** `undefined` for a message of another run, or of nobody's. */
export function rowOf({ properties }: MessageView, run: string): number | undefined {
  return properties[RUN] === run ? Number(properties[ROW]) : undefined;
}
