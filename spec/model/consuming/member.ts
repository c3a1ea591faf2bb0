import type { ModelMember } from "./hold.js";
import type { Consumer, MemberKind } from "./member-kind.js";
import type { Process } from "./process.js";

/** A consumer that commands can choose, from its start to the end of its close. */
export interface Member extends ModelMember {
  readonly kind: MemberKind;
  readonly consumer: Consumer;
  readonly host: Process;
  readonly instanceName: string;
  isClosing: boolean;
  /** To which it subscribes. */
  filter: string | undefined;
}
