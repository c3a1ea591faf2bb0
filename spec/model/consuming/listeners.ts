import { type DeliveryContext, isMqError, type MessageView } from "../../../lib/index.js";
import type { ListeningGroupModel } from "./group-model.js";
import type { Call } from "./hold.js";
import type { Member } from "./member.js";
import type { MessageBook, SentMessage } from "./message-book.js";
import type { Ended, Outcome } from "./outcome.js";
import type { Hearer, Watch } from "./watch.js";

/** A call of a listener that has not ended. */
export interface HeldCall {
  readonly member: Member;
  /** How it ends when all that is left is to be consumed. */
  readonly lastOutcome: Outcome;
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

  /**
   * To be called first by whatever gets messages, and its result returned.
   *
   * @param answer - puts what an outcome means into the context, and says what is to be returned or thrown.
   */
  heard(
    member: Member,
    model: ListeningGroupModel,
    messages: readonly MessageView[],
    context: DeliveryContext,
    answer: (outcome: Outcome) => Ended,
  ): unknown {
    // Nobody hears of what a process does that was killed.
    if (member.process.isGone) return undefined;
    const batch = messages.map((message) => this.#book.toDelivered(message));
    const of = { member, model };
    const call = this.#watch.delivered(of, context.messageQueue, batch);
    const outcome = this.isEnding ? model.lastOutcome : this.#next(member.kind.name, call.first.message);
    if (outcome !== "hold" && outcome !== "soon") {
      const ended = answer(outcome);
      this.#watch.returned(of, call, ended);
      if (ended.hasThrown) throw new Error("as told");
      return ended.result;
    }
    context.signal.addEventListener("abort", () => {
      if (isMqError(context.signal.reason, "ERR_MQ_TIMEOUT")) model.timedOut(call);
    });
    return this.#later(of, call, outcome, answer);
  }

  #next(group: string, message: SentMessage): Outcome {
    const ofGroup = this.#counts.get(group) ?? new Map<SentMessage, number>();
    this.#counts.set(group, ofGroup);
    const count = ofGroup.get(message) ?? 0;
    ofGroup.set(message, count + 1);
    return message.script[count] ?? "success";
  }

  #later(of: Hearer, call: Call, outcome: "hold" | "soon", answer: (outcome: Outcome) => Ended): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const end = (how: Outcome): void => {
        const ended = answer(how);
        // Just before the consumer hears of it: the queue may have been taken away meanwhile.
        void Promise.resolve().then(() => {
          if (!of.member.process.isGone) this.#watch.returned(of, call, ended);
        });
        if (ended.hasThrown) reject(new Error("as told"));
        else resolve(ended.result);
      };
      if (outcome === "soon") end("success");
      else this.#hold(of, end);
    });
  }

  #hold({ member, model }: Hearer, end: (outcome: Outcome) => void): void {
    const held: HeldCall = {
      member,
      lastOutcome: model.lastOutcome,
      end: (outcome) => {
        this.#held = this.#held.filter((other) => other !== held);
        end(outcome);
      },
    };
    this.#held.push(held);
  }
}
