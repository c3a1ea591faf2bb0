import fc from "fast-check";

/** A message, and when it asks to be delivered: in so many milliseconds from the send. */
export interface Asked {
  readonly queueId: number;
  readonly delay:
    | { readonly by: "nothing" }
    | { readonly by: "delayLevel"; readonly level: number }
    | { readonly by: "delayMs" | "deliverAt"; readonly ms: number };
}

/** What happens next in a run. */
export type Step =
  /** In one turn. */
  | { readonly kind: "send"; readonly messages: readonly Asked[] }
  /** Of one of those that were sent. */
  | { readonly kind: "recall"; readonly nth: number }
  | { readonly kind: "advance"; readonly ms: number }
  /** The broker is away for a while: it was closed, or its process was killed. */
  | { readonly kind: "reopen"; readonly end: "closed" | "killed"; readonly awayMs: number };

/** Around whole seconds, and in between. */
const MILLISECONDS = fc.oneof(
  fc.integer({ min: -1_500, max: 6_000 }),
  fc.constantFrom(-1, 0, 1, 2, 500, 999, 1_000, 1_001, 2_000),
);

const ASKED: fc.Arbitrary<Asked> = fc.record({
  queueId: fc.integer({ min: 0, max: 1 }),
  delay: fc.oneof(
    fc.record({ by: fc.constant("nothing" as const) }),
    fc.record({ by: fc.constant("delayLevel" as const), level: fc.integer({ min: -1, max: 5 }) }),
    fc.record({ by: fc.constantFrom("delayMs" as const, "deliverAt" as const), ms: MILLISECONDS }),
  ),
});

export const STEPS: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant("send" as const),
        messages: fc.array(ASKED, { minLength: 1, maxLength: 5 }),
      }),
    },
    {
      weight: 5,
      arbitrary: fc.record({
        kind: fc.constant("advance" as const),
        ms: fc.oneof(fc.integer({ min: 0, max: 3_000 }), fc.constantFrom(0, 1, 499, 1_000)),
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("recall" as const), nth: fc.nat({ max: 99 }) }) },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant("reopen" as const),
        end: fc.constantFrom("closed" as const, "killed" as const),
        awayMs: fc.integer({ min: 0, max: 4_000 }),
      }),
    },
  ),
  { minLength: 4, maxLength: 24, size: "max" },
);
