/** How many messages of a tag there were, and the bytes of their bodies. */
export interface TagCount {
  readonly tag: string | undefined;
  readonly count: number;
  readonly bytes: number;
}

/** A tag of which other messages came than were expected. */
export interface TagDifference {
  readonly tag: string | undefined;
  readonly expected: { readonly count: number; readonly bytes: number };
  readonly counted: { readonly count: number; readonly bytes: number };
}

interface Sum {
  count: number;
  bytes: number;
}

const NOTHING: Readonly<Sum> = { count: 0, bytes: 0 };

/** Messages counted by tag; `undefined` stands for those without one. */
export class TagCounts {
  readonly #sums = new Map<string | undefined, Sum>();
  readonly #total: Sum = { ...NOTHING };

  get total(): number {
    return this.#total.count;
  }

  get bytes(): number {
    return this.#total.bytes;
  }

  add(tag: string | undefined, bytes: number): void {
    this.#put({ tag, count: 1, bytes });
  }

  of(tag: string | undefined): { readonly count: number; readonly bytes: number } {
    return this.#sums.get(tag) ?? NOTHING;
  }

  /** Most frequent first, those of equal count by name; what has no tag is last. */
  ranked(): readonly TagCount[] {
    return [...this.#sums].map(([tag, sum]) => ({ tag, ...sum })).sort(byRank);
  }

  /** The part with these tags. */
  restrictedTo(tags: ReadonlySet<string>): TagCounts {
    const part = new TagCounts();
    for (const [tag, sum] of this.#sums) if (tag !== undefined && tags.has(tag)) part.#put({ tag, ...sum });
    return part;
  }

  /** Every tag whose count or bytes are not the expected ones, most frequent first. */
  differences(expected: TagCounts): readonly TagDifference[] {
    const tags = new Set([...expected.#sums.keys(), ...this.#sums.keys()]);
    return [...tags]
      .map((tag) => ({ tag, expected: { ...expected.of(tag) }, counted: { ...this.of(tag) } }))
      .filter(({ expected: e, counted: c }) => e.count !== c.count || e.bytes !== c.bytes)
      .sort((a, b) => b.expected.count - a.expected.count);
  }

  #put({ tag, count, bytes }: TagCount): void {
    const known = this.#sums.get(tag);
    const sum = known ?? { ...NOTHING };
    if (known === undefined) this.#sums.set(tag, sum);
    sum.count += count;
    sum.bytes += bytes;
    this.#total.count += count;
    this.#total.bytes += bytes;
  }
}

/** Most frequent first, those of equal count by name; what has no tag is last. */
export function byRank(a: Omit<TagCount, "bytes">, b: Omit<TagCount, "bytes">): number {
  return Number(a.tag === undefined) - Number(b.tag === undefined) || b.count - a.count || byName(a, b);
}

function byName(a: Omit<TagCount, "bytes">, b: Omit<TagCount, "bytes">): number {
  return (a.tag ?? "") < (b.tag ?? "") ? -1 : 1;
}
