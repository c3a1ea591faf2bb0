export interface Difference {
  /** `scenario/step`. */
  readonly step: string;
  /** To the value within the outcome of the step, its parts joined by dots. */
  readonly path: string;
  readonly rocketmq: unknown;
  readonly pocketmq: unknown;
}

export interface Row {
  readonly ids: readonly string[];
  readonly rocketmq: readonly string[];
  readonly pocketmq: readonly string[];
  readonly why: string;
  readonly line: string;
}

export function differences(scenario: string, rocketmq: object, pocketmq: object): readonly Difference[];
export function readRows(markdown: string): readonly Row[];
export function judge(found: readonly Difference[], rows: readonly Row[]): readonly string[];
export function idle(found: readonly Difference[], rows: readonly Row[]): readonly string[];
