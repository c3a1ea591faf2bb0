import fc from "fast-check";
import { KINDS } from "./kinds.js";
import type { MemberKind } from "./member-kind.js";
import { OUTCOMES, type Outcome } from "./outcome.js";

/** Numbers choose among those that are there, by their remainder; where there is none, nothing happens. */
export type Command =
  | {
      readonly do: "send";
      readonly process: number;
      /** A queue, or what the messages have in common that belong together. */
      readonly to: number | string;
      readonly tag: string;
      /** One for each message. */
      readonly scripts: readonly (readonly Outcome[])[];
      readonly isBatch: boolean;
    }
  | {
      readonly do: "join";
      readonly process: number;
      readonly kind: string;
      readonly name: number;
      readonly settings: unknown;
    }
  | { readonly do: "leave"; readonly member: number; readonly isHasty: boolean }
  /** What only members of this kind can do. */
  | { readonly do: "act"; readonly kind: string; readonly member: number; readonly act: unknown }
  /** A listener that is held ends. */
  | { readonly do: "end"; readonly call: number; readonly outcome: Outcome }
  /** To another filter, or to nothing. */
  | { readonly do: "subscribe"; readonly member: number; readonly filter: number | undefined }
  | { readonly do: "suspend" | "resume"; readonly member: number }
  | { readonly do: "restart"; readonly process: number; readonly how: "closed" | "closed in haste" | "killed" }
  /** It stands still, as if it was stopped. */
  | { readonly do: "stall" | "go on"; readonly process: number }
  /** The same for so long. */
  | { readonly do: "hang"; readonly process: number; readonly ms: number }
  /** The topic gets one more queue. */
  | { readonly do: "grow" }
  | { readonly do: "turn" }
  | { readonly do: "pass"; readonly ms: number }
  /** The clock is set, or the machine slept. */
  | { readonly do: "step"; readonly ms: number };

const number = fc.nat({ max: 7 });
const script = fc.oneof(
  { arbitrary: fc.constant<readonly Outcome[]>([]), weight: 2 },
  { arbitrary: fc.array(fc.constantFrom<Outcome>(...OUTCOMES), { minLength: 1, maxLength: 3 }), weight: 3 },
);

const send = fc.record({
  do: fc.constant("send" as const),
  process: number,
  to: fc.oneof(fc.nat({ max: 3 }), fc.constantFrom("order 1", "order 2")),
  tag: fc.constantFrom("a", "b", "a", "z"),
  scripts: fc.array(script, { minLength: 1, maxLength: 4 }),
  isBatch: fc.boolean(),
});
const joinOf = ({ name, settings }: MemberKind): fc.Arbitrary<Command> =>
  fc.record({
    do: fc.constant("join" as const),
    process: number,
    kind: fc.constant(name),
    name: fc.nat({ max: 3 }),
    settings: settings as fc.Arbitrary<unknown>,
  });
const actOf = ({ name, acts }: MemberKind): readonly fc.Arbitrary<Command>[] =>
  acts === undefined
    ? []
    : [fc.record({ do: fc.constant("act" as const), kind: fc.constant(name), member: number, act: acts })];
const leave = fc.record({ do: fc.constant("leave" as const), member: number, isHasty: fc.boolean() });
const end = fc.record({
  do: fc.constant("end" as const),
  call: number,
  outcome: fc.constantFrom<Outcome>("success", "success", "fail", "throw", "commit", "rollback", "bury"),
});
const subscribe = fc.record({
  do: fc.constant("subscribe" as const),
  member: number,
  filter: fc.constantFrom(0, 1, 0, 1, undefined),
});
const suspend = fc.record({ do: fc.constantFrom("suspend" as const, "resume" as const), member: number });
const restart = fc.record({
  do: fc.constant("restart" as const),
  process: number,
  how: fc.constantFrom("closed" as const, "closed in haste" as const, "killed" as const),
});
const stall = fc.record({ do: fc.constantFrom("stall" as const, "go on" as const), process: number });
const hang = fc.record({
  do: fc.constant("hang" as const),
  process: number,
  ms: fc.constantFrom(1_000, 8_000, 12_000, 12_000, 65_000),
});
const grow = fc.constant({ do: "grow" as const });
const turn = fc.constant({ do: "turn" as const });
const pass = fc.record({
  do: fc.constant("pass" as const),
  ms: fc.constantFrom(0, 0, 10, 60, 60, 1_000, 1_000, 5_000, 12_000, 25_000, 65_000),
});
const step = fc.record({
  do: fc.constant("step" as const),
  ms: fc.constantFrom(1, 3_000, 15_000, 45_000, 3_600_000, -1, -5_000, -3_600_000),
});

const SOON = { do: "pass", ms: 0 } as const;
const onListeners = [
  { arbitrary: end, weight: 6 },
  { arbitrary: suspend, weight: 1 },
];

/** With members of these kinds. */
export function commandsOf(kinds: readonly MemberKind[]): fc.Arbitrary<readonly Command[]> {
  const acts = kinds.flatMap(actOf);
  const join = fc.oneof(...kinds.map(joinOf));
  const rest = fc.array(
    fc.oneof(
      { arbitrary: send, weight: 10 },
      { arbitrary: pass, weight: 10 },
      { arbitrary: join, weight: 5 },
      ...(acts.length === 0 ? [] : [{ arbitrary: fc.oneof(...acts), weight: 30 }]),
      ...(acts.length === kinds.length ? [] : onListeners),
      { arbitrary: turn, weight: 4 },
      { arbitrary: leave, weight: 3 },
      { arbitrary: subscribe, weight: 2 },
      { arbitrary: restart, weight: 1 },
      { arbitrary: stall, weight: 1 },
      { arbitrary: hang, weight: 2 },
      { arbitrary: step, weight: 1 },
      { arbitrary: grow, weight: 1 },
    ),
    { maxLength: 60, size: "max" },
  );
  const beginning = fc.array(join, { minLength: 1, maxLength: 2 });
  return fc.tuple(beginning, rest).map(([joins, others]) => [...joins, SOON, ...others]);
}

/** Some runs are about one kind only: more happens to each of its members. */
export const COMMANDS: fc.Arbitrary<readonly Command[]> = fc.oneof(
  commandsOf(KINDS),
  ...KINDS.map((kind) => commandsOf([kind])),
);
