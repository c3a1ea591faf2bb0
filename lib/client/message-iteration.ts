import { MqError } from "../errors.js";
import type { MessageView } from "../message/message-view.js";

/** From what an iteration takes its messages. */
export interface IterationSource {
  /** Whether there is nothing to be had any more, rightly. */
  isOver(): boolean;
  /** Nobody else gets messages until {@link IterationSource.end}; throws where that cannot be now. */
  begin(): void;
  /** The next message; `undefined`: it waited in vain, and is to be asked again. */
  receive(): Promise<MessageView | undefined>;
  /** Whoever waits in {@link IterationSource.receive} waits in vain. */
  stopWaiting(): void;
  end(): void;
}

const DONE: IteratorReturnResult<undefined> = { done: true, value: undefined };

/** One `for await` over a pull consumer: a message is taken when the loop asks for it, not before. */
export class MessageIteration implements AsyncIterator<MessageView, undefined> {
  readonly #source: IterationSource;
  #state: "created" | "open" | "ended" = "created";
  #isWaiting = false;

  constructor(source: IterationSource) {
    this.#source = source;
  }

  async next(): Promise<IteratorResult<MessageView, undefined>> {
    if (this.#isWaiting) {
      const message = "next() was called while the one before still waits: await it first";
      throw new MqError("ERR_MQ_TOO_MANY_REQUESTS", message, { responseCode: -1 });
    }
    this.#isWaiting = true;
    try {
      const value = await this.#receive();
      if (value !== undefined) return { done: false, value };
      this.#end();
      return DONE;
    } catch (error) {
      this.#end();
      throw error;
    } finally {
      this.#isWaiting = false;
    }
  }

  /** What a loop does that is left early. Messages that it was not given are given to the next one. */
  async return(): Promise<IteratorReturnResult<undefined>> {
    // Else it is somebody else who waits.
    const isOpen = this.#state === "open";
    this.#end();
    if (isOpen) this.#source.stopWaiting();
    return DONE;
  }

  async #receive(): Promise<MessageView | undefined> {
    while (this.#state !== "ended" && !this.#source.isOver()) {
      if (this.#state === "created") {
        this.#source.begin();
        this.#state = "open";
      }
      const message = await this.#source.receive();
      if (message !== undefined) return message;
    }
    return undefined;
  }

  #end(): void {
    const isOpen = this.#state === "open";
    this.#state = "ended";
    if (isOpen) this.#source.end();
  }
}
