import { describe, invalid } from "../options.js";

const UNITS_MS: ReadonlyMap<string, number> = new Map([
  ["ms", 1],
  ["s", 1_000],
  ["m", 60_000],
  ["h", 3_600_000],
  ["d", 86_400_000],
]);
const DURATION = /^(\d+(ms|[smhd]))+$/;

/** Milliseconds as they are, or a text such as `"90s"`, `"1h30m"`. */
export function parseDuration(name: string, duration: number | string): number {
  const ms = typeof duration === "string" ? sumUp(duration) : duration;
  if (typeof ms === "number" && Number.isSafeInteger(ms) && ms >= 0) return ms;
  throw invalid(
    `${name} must be whole milliseconds from 0 on, or a text like "1500ms", "90s", "1h30m", "2d", got ${describe(duration)}`,
  );
}

function sumUp(text: string): number | undefined {
  if (!DURATION.test(text)) return undefined;
  let ms = 0;
  for (const [, count, unit = ""] of text.matchAll(/(\d+)(ms|[smhd])/g))
    ms += Number(count) * (UNITS_MS.get(unit) ?? 0);
  return ms;
}
