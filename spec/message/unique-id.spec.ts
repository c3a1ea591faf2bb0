import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeUniqueId, UniqueIdGenerator } from "../../lib/message/unique-id.js";
import { seededChance, systemChance } from "../../lib/time/chance.js";
import { systemClock } from "../../lib/time/clock.js";
import { loadFacts } from "../support/facts.js";

const layout =
  loadFacts("message-ids").observed<Readonly<Record<string, boolean | string | readonly string[]>>>("uniq-key-layout");

const NOW = new Date(2023, 10, 14, 22, 13, 20).getTime();
const HOUR_MS = 3_600_000;

/** A generator whose clock shows what the spec last set. */
function generatorAt(
  time: number,
  address = "192.168.1.20",
): { readonly ids: UniqueIdGenerator; set(now: number): void } {
  let current = time;
  const clock = { now: () => current };
  const ids = new UniqueIdGenerator({ clock, chance: seededChance(7), address, processId: 0x1_4242 });
  return {
    ids,
    set: (now) => {
      current = now;
    },
  };
}

function take(ids: UniqueIdGenerator, count: number): string[] {
  return Array.from({ length: count }, () => ids.next());
}

describe("UniqueIdGenerator", () => {
  it("makes ids in the recorded layout", () => {
    const chance = systemChance;
    const ids = new UniqueIdGenerator({ clock: systemClock, chance, address: "192.168.1.20", processId: process.pid });
    const before = systemClock.now();

    const [first = "", second = ""] = take(ids, 2);

    const a = decodeUniqueId(first, systemClock.now());
    const b = decodeUniqueId(second, systemClock.now());
    expect({
      ...layout,
      matches: /^[0-9A-F]{32}$/.test(first),
      pidIsProcessIdLow16: a?.processId === (process.pid & 0xffff),
      getPidFromIDEqualsPid: a?.processId === (process.pid & 0xffff),
      ipIsThisHost: a?.address === "192.168.1.20",
      millisWithin2sOfNow: Math.abs((a?.timestamp ?? 0) - before) < 2_000,
      nearlyTimeWithin2s: Math.abs((a?.timestamp ?? 0) - before) < 2_000,
      ipPidClassLoaderSameInOneProcess: first.slice(0, 20) === second.slice(0, 20),
      counterIncrementsByOne: b?.counter === (a?.counter ?? 0) + 1,
    }).toEqual(layout);
  });

  it("puts address, process, hash, milliseconds of the local month and counter in this order", () => {
    const { ids } = generatorAt(new Date(2023, 10, 1, 0, 0, 1).getTime());

    const [first = "", second = ""] = take(ids, 2);

    expect(first.slice(0, 12)).toBe("C0A801144242");
    expect(first.slice(20)).toBe("000003E80000");
    expect(second.slice(20)).toBe("000003E80001");
  });

  it("makes 56 digits on an IPv6 address", () => {
    const { ids } = generatorAt(NOW, "fe80::1");

    const id = ids.next();

    expect(id).toMatch(/^FE80000000000000000000000000000142[0-9A-F]{22}$/);
    expect(decodeUniqueId(id, NOW)).toMatchObject({ address: "fe80::1", timestamp: NOW });
  });

  it("makes the same ids from the same seed and time", () => {
    expect(take(generatorAt(NOW).ids, 3)).toEqual(take(generatorAt(NOW).ids, 3));
  });

  it("differs by chance between generators of one process", () => {
    const source = { clock: { now: () => NOW }, chance: seededChance(1), address: "127.0.0.1", processId: 1 };

    const heads = [new UniqueIdGenerator(source), new UniqueIdGenerator(source)].map((ids) => ids.next().slice(12, 20));

    expect(new Set(heads).size).toBe(2);
  });

  it("moves on by a millisecond when 65,536 ids were made within one", () => {
    const { ids } = generatorAt(NOW);

    const made = take(ids, 300_000);

    expect(new Set(made).size).toBe(300_000);
    expect([65_535, 65_536, 131_072].map((at) => decodeUniqueId(made[at] ?? "", NOW)?.timestamp)).toEqual([
      NOW,
      NOW + 1,
      NOW + 2,
    ]);
  });

  it("makes 300,000 different ids on the real clock", () => {
    const ids = new UniqueIdGenerator({ clock: systemClock, chance: systemChance, address: "127.0.0.1", processId: 1 });

    expect(new Set(take(ids, 300_000)).size).toBe(300_000);
  });

  it("waits for a clock that is up to a second behind", () => {
    const { ids, set } = generatorAt(NOW);
    const [before = ""] = take(ids, 1);
    set(NOW - 1_000);

    const [after = ""] = take(ids, 1);

    expect(decodeUniqueId(after, NOW)).toEqual({ ...decodeUniqueId(before, NOW), counter: 1 });
  });

  it("follows a clock that was set back further, under another hash", () => {
    const { ids, set } = generatorAt(NOW);
    const before = decodeUniqueId(ids.next(), NOW);
    set(NOW - HOUR_MS);

    const after = decodeUniqueId(ids.next(), NOW);

    expect(after).toMatchObject({ timestamp: NOW - HOUR_MS, classLoaderHash: (before?.classLoaderHash ?? 0) + 1 });
  });

  it("takes another hash when a month begins, so that the same moment of two months differs", () => {
    const { ids, set } = generatorAt(new Date(2023, 10, 30, 23, 59, 59, 999).getTime());
    const before = ids.next();
    set(new Date(2023, 11, 1).getTime());

    const after = ids.next();

    expect(after.slice(20, 28)).toBe("00000000");
    expect(after.slice(12, 20)).not.toBe(before.slice(12, 20));
  });

  it("repeats no id on a clock that jumps by any time in any direction", () => {
    const jump = fc.record({
      byMs: fc.oneof(fc.integer({ min: -3, max: 3 }), fc.integer({ min: -40 * 24 * HOUR_MS, max: 40 * 24 * HOUR_MS })),
      // The counter of an id begins anew after 65,536.
      count: fc.oneof(
        { weight: 5, arbitrary: fc.integer({ min: 1, max: 300 }) },
        { weight: 1, arbitrary: fc.constant(66_000) },
      ),
    });
    fc.assert(
      fc.property(fc.array(jump, { maxLength: 12 }), (jumps) => {
        const { ids, set } = generatorAt(NOW);
        const seen = new Set<string>();
        let now = NOW;
        let made = 0;

        for (const { byMs, count } of jumps) {
          now += byMs;
          set(now);
          for (const id of take(ids, count)) seen.add(id);
          made += count;
        }

        expect(seen.size).toBe(made);
      }),
      { numRuns: 40 },
    );
  });

  it("repeats no id on a clock that shows fractions of milliseconds", () => {
    const { ids, set } = generatorAt(NOW);
    const seen = new Set<string>();

    for (let step = 0; step < 140_000; step += 1) {
      set(NOW + step / 100_000);
      seen.add(ids.next());
    }

    expect(seen.size).toBe(140_000);
    expect([...seen].every((id) => /^[0-9A-F]{32}$/.test(id))).toBe(true);
  });
});

describe("decodeUniqueId", () => {
  it("places a time later than now in the month before", () => {
    const id = generatorAt(NOW).ids.next();
    const nextMonth = new Date(2023, 11, 2).getTime();

    expect(decodeUniqueId(id, nextMonth)?.timestamp).toBe(NOW);
  });

  it("takes an id from a clock a minute ahead for this month's", () => {
    const id = generatorAt(NOW).ids.next();

    expect(decodeUniqueId(id, NOW - 60_000)?.timestamp).toBe(NOW);
    expect(decodeUniqueId(id, NOW - 60_001)?.timestamp).toBeLessThan(NOW - 27 * 24 * HOUR_MS);
  });

  it("reads digits of either case", () => {
    const id = generatorAt(NOW).ids.next();

    expect(decodeUniqueId(id.toLowerCase(), NOW)).toEqual(decodeUniqueId(id, NOW));
  });

  it.each(["", "abc", "01AABBCCDDEEFF00112233445566778899", "G0A80114424200000000000003E80000"])(
    "finds nothing in %j",
    (id) => {
      expect(decodeUniqueId(id, NOW)).toBeUndefined();
    },
  );
});
