import { concurrentKind } from "./concurrent-kind.js";
import type { MemberKind } from "./member-kind.js";
import { orderlyKind } from "./orderly-kind.js";
import { orderedPopKind, unorderedPopKind } from "./pop-kinds.js";
import { pullKind } from "./pull-kind.js";

/** What stands here takes part in every run. */
export const KINDS: readonly MemberKind[] = [concurrentKind, orderlyKind, pullKind, unorderedPopKind, orderedPopKind];
