import fc from "fast-check";
import type { GroupSurroundings } from "./group-model.js";
import type { GroupHistoryRules } from "./history-recorder.js";
import type { MemberKind } from "./member-kind.js";
import { OrderedPopGroupModel } from "./ordered-pop-group-model.js";
import type { PopGroupModel } from "./pop-group-model.js";
import { type PopAct, PoppingMember } from "./popping-member.js";
import { UnorderedPopGroupModel } from "./unordered-pop-group-model.js";

const MAX_ATTEMPTS = 2;

const delivery = fc.constantFrom(0, 0, 0, 1, 1, 2, 3, 7);
const receive = fc.record({
  what: fc.constant("receive" as const),
  options: fc.record({
    maxMessages: fc.constantFrom(1, 1, 3, 32),
    invisibleDurationMs: fc.constantFrom(10_000, 20_000, 60_000),
    awaitMs: fc.constantFrom(0, 1_000, 20_000, 60_000),
  }),
});
const ack = fc.record({ what: fc.constant("ack" as const), delivery });
const change = fc.record({
  what: fc.constant("change" as const),
  delivery,
  durationMs: fc.constantFrom(0, 1, 5_000, 60_000),
});
const acts: fc.Arbitrary<PopAct> = fc.oneof(
  { arbitrary: receive, weight: 8 },
  { arbitrary: ack, weight: 6 },
  { arbitrary: change, weight: 4 },
  { arbitrary: fc.constant({ what: "abort" as const }), weight: 3 },
);

function popKind(
  name: string,
  isOrderly: boolean,
  createModel: (group: string, surroundings: GroupSurroundings) => PopGroupModel,
  rules: GroupHistoryRules | undefined,
): MemberKind<undefined, PopGroupModel, PopAct> {
  return {
    name,
    groupSettings: { consumeMessageOrderly: isOrderly, retryMaxTimes: MAX_ATTEMPTS - 1 },
    settings: fc.constant(undefined),
    usualSettings: undefined,
    acts,
    createModel,
    join: (seat) => new PoppingMember(seat.mq.simpleConsumer(seat.options), seat),
    history: () => rules,
  };
}

/** A consumer that receives messages, and acknowledges each. */
export const unorderedPopKind: MemberKind<undefined, PopGroupModel, PopAct> = popKind(
  "one-by-one",
  false,
  (group, surroundings) => new UnorderedPopGroupModel(group, surroundings, MAX_ATTEMPTS),
  { isOrdered: false, areDuplicatesForbidden: true, isProgressHeld: false },
);

/** The same, of a group that blocks what it has in hand. */
export const orderedPopKind: MemberKind<undefined, PopGroupModel, PopAct> = popKind(
  "one-after-the-other",
  true,
  (group, surroundings) => new OrderedPopGroupModel(group, surroundings, MAX_ATTEMPTS),
  // What was acknowledged behind one that was not comes again.
  undefined,
);
