import fc from "fast-check";

/** What a producer says of a transaction; `throw`: its listener fails. */
export type Said = "commit" | "rollback" | "unknown" | "throw";

/** What the next check is told, and when. */
export interface Answer {
  readonly says: Said;
  /** `undefined`: never. */
  readonly afterMs: number | undefined;
}

export interface Asked {
  readonly group: string;
  /** What its own client says right after the half message is stored; `undefined`: nothing yet. */
  readonly says: Said | undefined;
  /** `CHECK_IMMUNITY_TIME_IN_SECONDS`. */
  readonly immunity: string | undefined;
  /** To the first check and those that follow; to later ones that nobody knows. */
  readonly answers: readonly Answer[];
}

/** What happens next in a run; `broker`: at which of those that have the file open. */
export type Step =
  | { readonly kind: "send"; readonly broker: number; readonly asked: Asked }
  /** By the client of one of those whose transactions it began: perhaps again, late, or otherwise than a check said. */
  | { readonly kind: "end"; readonly nth: number; readonly end: "commit" | "rollback" }
  | { readonly kind: "advance"; readonly ms: number }
  | { readonly kind: "start"; readonly broker: number; readonly group: string }
  | { readonly kind: "close"; readonly group: string }
  /** What producers of this group say is lost, or no longer. */
  | { readonly kind: "lose" | "mend"; readonly group: string }
  | { readonly kind: "crash"; readonly broker: number }
  /** The broker is away for a while. */
  | { readonly kind: "reopen"; readonly broker: number; readonly awayMs: number };

export const GROUPS = ["shop", "bank"] as const;
/** Half of it is no whole number. */
export const INTERVAL_MS = 701;
export const TIMEOUT_MS = 1_000;
export const CHECK_MAX = 4;

const GROUP = fc.constantFrom(...GROUPS);
const BROKER = fc.nat({ max: 1 });
/** None comes in the moment of a round, in which it would depend on chance which of the two is first. */
const LATE_MS = fc.integer({ min: 1, max: 2_500 }).map((ms) => (ms % INTERVAL_MS === 0 ? ms + 1 : ms));

const ANSWER: fc.Arbitrary<Answer> = fc.record({
  says: fc.constantFrom<Said>("commit", "rollback", "unknown", "unknown", "throw"),
  afterMs: fc.oneof(
    { weight: 5, arbitrary: fc.constant(0) },
    { weight: 3, arbitrary: LATE_MS },
    { weight: 1, arbitrary: fc.constant(undefined) },
  ),
});

const ASKED: fc.Arbitrary<Asked> = fc.record({
  group: GROUP,
  says: fc.constantFrom<Said | undefined>("commit", "rollback", "unknown", "throw", undefined, undefined, undefined),
  immunity: fc.oneof(
    { weight: 5, arbitrary: fc.constant(undefined) },
    { weight: 6, arbitrary: fc.constantFrom("0", "1", "1", "2", "3", "+2") },
    { weight: 1, arbitrary: fc.constantFrom("-1", "-5", "soon", "1.5") },
  ),
  answers: fc.array(ANSWER, { maxLength: 5 }),
});

const STEP: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("send" as const), broker: BROKER, asked: ASKED }) },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("advance" as const),
      ms: fc.oneof(
        fc.integer({ min: 1, max: 2_000 }),
        fc.constantFrom(1, 350, 351, 2 * INTERVAL_MS - TIMEOUT_MS, INTERVAL_MS, TIMEOUT_MS),
      ),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("end" as const),
      nth: fc.nat({ max: 9 }),
      end: fc.constantFrom("commit" as const, "rollback" as const),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("start" as const), broker: BROKER, group: GROUP }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("close" as const), group: GROUP }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom("lose" as const, "mend" as const), group: GROUP }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("crash" as const), broker: BROKER }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("reopen" as const),
      broker: BROKER,
      awayMs: fc.integer({ min: 0, max: 3_000 }),
    }),
  },
);

export const STEPS: fc.Arbitrary<readonly Step[]> = fc.array(STEP, { minLength: 5, maxLength: 30, size: "max" });
