import type fc from "fast-check";
import type {
  AllocateMessageQueueStrategy,
  Broker,
  CloseOptions,
  DeliveryContext,
  MessageQueue,
  MessageView,
} from "../../../lib/index.js";
import type { GroupModel, GroupSurroundings } from "./group-model.js";
import type { GroupHistoryRules } from "./history-recorder.js";
import type { Ended, Outcome } from "./outcome.js";

/** What commands can do with a member of any kind. */
export interface Consumer {
  readonly clientId: string;
  readonly assignment: readonly MessageQueue[];
  start(): Promise<void>;
  suspend(): void;
  resume(): void;
  subscribe(topic: string, filter?: string): void;
  unsubscribe(topic: string): void;
  close(options?: CloseOptions): Promise<void>;
}

/** Where a member takes its place. */
export interface Seat<S> {
  readonly mq: Broker;
  readonly options: {
    readonly group: string;
    readonly instanceName: string;
    readonly subscriptions: Readonly<Record<string, string>>;
    readonly allocateMessageQueueStrategy: AllocateMessageQueueStrategy;
  };
  readonly settings: S;
  /**
   * To be called first by whatever gets messages, and its result returned.
   *
   * @param answer - puts what an outcome means into the context, and says what is to be returned or thrown.
   */
  readonly heard: (
    messages: readonly MessageView[],
    context: DeliveryContext,
    answer: (outcome: Outcome) => Ended,
  ) => unknown;
}

/** One way to consume. Its members share one group, whose rules its model has. */
export interface MemberKind<S = unknown> {
  /** The group's as well. */
  readonly name: string;
  readonly settings: fc.Arbitrary<S>;
  readonly usualSettings: S;
  /** How its listeners end when all that is left is to be consumed. */
  readonly lastOutcome: Outcome;
  createModel(group: string, surroundings: GroupSurroundings): GroupModel;
  /** The member, not yet started. */
  join(seat: Seat<S>): Consumer;
  /** How many messages of a call the listener takes for consumed: the first ones. */
  countConsumed(ended: Ended, size: number): number;
  /** Whether the history of its group is one message after the other, and nothing of it twice, when its members have these settings. */
  history(settings: readonly S[]): GroupHistoryRules;
}
