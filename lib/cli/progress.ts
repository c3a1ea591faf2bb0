import { Stopwatch } from "../time/stopwatch.js";
import type { Output } from "./terminal.js";

const BAR_WIDTH = 24;
const REDRAW_MS = 50;
const LINE_MS = 5_000;
const ERASE_TO_END = "\u001b[K";

/**
 * How far a job is: a bar that is redrawn on a terminal; elsewhere a line a quarter, and one when 5 s
 * passed without; at the start of what has no known end.
 */
export class Progress {
  readonly #output: Output;
  #sinceShown = new Stopwatch();
  #quarter = 0;
  #isDrawn = false;

  constructor(output: Output) {
    this.#output = output;
  }

  /** May be called as often as there is something new. @param fraction - 0 to 1, `undefined` where the end is not known */
  show(fraction: number | undefined, text: () => string): void {
    if (this.#output.isTTY) this.#draw(fraction, text);
    else this.#print(fraction, text);
  }

  /** Takes the bar away, so that other text can follow. */
  clear(): void {
    if (!this.#isDrawn) return;
    this.#output.write(`\r${ERASE_TO_END}`);
    this.#isDrawn = false;
  }

  #draw(fraction: number | undefined, text: () => string): void {
    if (this.#isDrawn && this.#sinceShown.elapsedMs < REDRAW_MS) return;
    const line = `${fraction === undefined ? "" : `${bar(fraction)} `}${text()}`;
    // A line that wraps could not be drawn over.
    this.#output.write(`\r${line.slice(0, this.#output.columns - 1)}${ERASE_TO_END}`);
    this.#isDrawn = true;
    this.#sinceShown = new Stopwatch();
  }

  #print(fraction: number | undefined, text: () => string): void {
    const quarter = fraction === undefined ? 1 : Math.floor(fraction * 4);
    if (quarter <= this.#quarter && this.#sinceShown.elapsedMs < LINE_MS) return;
    this.#quarter = Math.max(quarter, this.#quarter);
    this.#output.write(`${fraction === undefined ? "" : `${percent(fraction)}  `}${text()}\n`);
    this.#sinceShown = new Stopwatch();
  }
}

function bar(fraction: number): string {
  const full = Math.round(fraction * BAR_WIDTH);
  return `[${"#".repeat(full)}${"-".repeat(BAR_WIDTH - full)}] ${percent(fraction)} `;
}

function percent(fraction: number): string {
  return `${String(Math.floor(fraction * 100)).padStart(3)} %`;
}
