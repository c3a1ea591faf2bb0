import { byRank } from "./tag-counts.js";

/** What a board shows of a tag. */
export interface BoardFigures {
  readonly count: number;
  /** The largest number among its records; `undefined` where none has one. It is the same in whatever order they come, which a mean is not. */
  readonly largest: number | undefined;
}

export interface BoardEntry extends BoardFigures {
  /** `undefined` stands for the records without one. */
  readonly tag: string | undefined;
}

/** An entry that is not as expected. */
export interface BoardDifference {
  readonly tag: string | undefined;
  readonly expected: BoardFigures;
  readonly shown: BoardFigures;
}

const NOTHING: BoardFigures = { count: 0, largest: undefined };

/** Figures by tag, kept up to date as records come. */
export class LiveBoard {
  readonly #entries = new Map<string | undefined, { count: number; largest: number | undefined }>();

  get size(): number {
    return this.#entries.size;
  }

  add(tag: string | undefined, value: number | undefined): void {
    const entry = this.#entries.get(tag);
    if (entry === undefined) {
      this.#entries.set(tag, { count: 1, largest: value });
      return;
    }
    entry.count += 1;
    if (value !== undefined && (entry.largest === undefined || value > entry.largest)) entry.largest = value;
  }

  /** Most frequent first. */
  ranked(): readonly BoardEntry[] {
    return [...this.#entries].map(([tag, figures]) => ({ tag, ...figures })).sort(byRank);
  }

  /** Every entry that is not the expected one, most frequent first. */
  differences(expected: LiveBoard): readonly BoardDifference[] {
    const tags = new Set([...expected.#entries.keys(), ...this.#entries.keys()]);
    return [...tags]
      .map((tag) => ({ tag, expected: { ...expected.#of(tag) }, shown: { ...this.#of(tag) } }))
      .filter(({ expected: e, shown: s }) => e.count !== s.count || e.largest !== s.largest)
      .sort((a, b) => b.expected.count - a.expected.count);
  }

  #of(tag: string | undefined): BoardFigures {
    return this.#entries.get(tag) ?? NOTHING;
  }
}
