/** `POCKETMQ_ALL_CRASHES=1` tries all; a stage of `.ci/run` does. */
const TRIES_ALL = process.env["POCKETMQ_ALL_CRASHES"] === "1";

/** Cases that take seconds each: the first of them, which show that the harness itself works, in what runs on each test. */
export function usually<T>(count: number, cases: readonly T[]): readonly T[] {
  return TRIES_ALL ? cases : cases.slice(0, count);
}
