import { afterEach, describe, expect, it, vi } from "vitest";
import { monthStart } from "../../lib/time/month-start.js";

afterEach(() => {
  vi.unstubAllEnvs();
});

describe("monthStart", () => {
  it.each([
    ["UTC", "2023-11-14T22:13:20Z", "2023-11-01T00:00:00Z"],
    ["UTC", "2024-02-29T23:59:59.999Z", "2024-02-01T00:00:00Z"],
    ["UTC", "2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z"],
    ["Asia/Shanghai", "2023-10-31T16:00:00Z", "2023-10-31T16:00:00Z"],
    ["Asia/Shanghai", "2023-10-31T15:59:59Z", "2023-09-30T16:00:00Z"],
    ["Asia/Shanghai", "2023-12-31T16:00:00Z", "2023-12-31T16:00:00Z"],
    ["America/New_York", "2023-11-14T22:13:20Z", "2023-11-01T04:00:00Z"],
  ])("in %s of %s is %s, local midnight", (zone, time, expected) => {
    vi.stubEnv("TZ", zone);

    expect(monthStart(Date.parse(time))).toBe(Date.parse(expected));
  });

  it("moves on by whole months, over the end of a year", () => {
    vi.stubEnv("TZ", "UTC");
    const december = Date.parse("2023-12-31T12:00:00Z");

    expect(monthStart(december, 1)).toBe(Date.parse("2024-01-01T00:00:00Z"));
    expect(monthStart(Date.parse("2024-01-31T12:00:00Z"), -1)).toBe(Date.parse("2023-12-01T00:00:00Z"));
  });
});
