import { type DeliveryContext, isMqError, type MessageView } from "../../../lib/index.js";
import type { Call, Delivered } from "./hold.js";
import type { Member } from "./member.js";
import type { MessageBook, SentMessage } from "./message-book.js";
import type { Ended, Outcome } from "./outcome.js";
import type { Watch } from "./watch.js";

/** A call of a listener that has not ended. */
export interface HeldCall {
  readonly member: Member;
  end(outcome: Outcome): void;
}

/** The listeners of all members: they do what the messages say, and what they do is watched. */
export class Listeners {
  readonly #book: MessageBook;
  readonly #watch: Watch;
  /** How many calls began with a message, by group. */
  readonly #counts = new Map<string, Map<SentMessage, number>>();
  #held: HeldCall[] = [];
  /** From now on every call succeeds. */
  isEnding = false;

  constructor(book: MessageBook, watch: Watch) {
    this.#book = book;
    this.#watch = watch;
  }

  /** Calls that wait for a command; those of processes that are gone wait in vain. */
  get held(): readonly HeldCall[] {
    this.#held = this.#held.filter(({ member }) => !member.process.isGone);
    return this.#held;
  }

  heard(
    member: Member,
    messages: readonly MessageView[],
    context: DeliveryContext,
    answer: (outcome: Outcome) => Ended,
  ): unknown {
    // Nobody hears of what a process does that was killed.
    if (member.process.isGone) return undefined;
    const batch = messages.map((message) => this.#toDelivered(message));
    const call = this.#watch.delivered(member, context.messageQueue, batch);
    const outcome = this.isEnding ? member.kind.lastOutcome : this.#next(member.kind.name, call.first.message);
    if (outcome !== "hold" && outcome !== "soon") {
      const ended = answer(outcome);
      this.#watch.returned(member, call, ended);
      if (ended.hasThrown) throw new Error("as told");
      return ended.result;
    }
    context.signal.addEventListener("abort", () => {
      if (isMqError(context.signal.reason, "ERR_MQ_TIMEOUT")) this.#watch.timedOut(member, call);
    });
    return this.#later(member, call, outcome, answer);
  }

  #next(group: string, message: SentMessage): Outcome {
    const ofGroup = this.#counts.get(group) ?? new Map<SentMessage, number>();
    this.#counts.set(group, ofGroup);
    const count = ofGroup.get(message) ?? 0;
    ofGroup.set(message, count + 1);
    return message.script[count] ?? "success";
  }

  #later(member: Member, call: Call, outcome: "hold" | "soon", answer: (outcome: Outcome) => Ended): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const end = (how: Outcome): void => {
        const ended = answer(how);
        // Just before the consumer hears of it: the queue may have been taken away meanwhile.
        void Promise.resolve().then(() => {
          if (!member.process.isGone) this.#watch.returned(member, call, ended);
        });
        if (ended.hasThrown) reject(new Error("as told"));
        else resolve(ended.result);
      };
      if (outcome === "soon") end("success");
      else this.#hold(member, end);
    });
  }

  #hold(member: Member, end: (outcome: Outcome) => void): void {
    const held: HeldCall = {
      member,
      end: (outcome) => {
        this.#held = this.#held.filter((other) => other !== held);
        end(outcome);
      },
    };
    this.#held.push(held);
  }

  #toDelivered(view: MessageView): Delivered {
    const { queueOffset, deliveryAttempt } = view;
    const message = this.#book.byBody(view.text());
    if (message === undefined) throw new Error(`a message that nobody sent: ${view.text()}`);
    return { message, queueOffset, deliveryAttempt };
  }
}
