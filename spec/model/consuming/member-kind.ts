import type fc from "fast-check";
import type { Broker, CloseOptions, GroupSettings, MessageQueue } from "../../../lib/index.js";
import type { GroupModel, GroupSurroundings } from "./group-model.js";
import type { GroupHistoryRules, HistoryRecorder } from "./history-recorder.js";
import type { Listeners } from "./listeners.js";
import type { Member } from "./member.js";
import type { MessageBook } from "./message-book.js";
import type { Process } from "./process.js";

/** What commands can do with a member of any kind; where it cannot, they do nothing. */
export interface Consumer<A = unknown> {
  readonly clientId: string;
  /** Where members share queues. */
  readonly assignment?: readonly MessageQueue[];
  start(): Promise<void>;
  subscribe(topic: string, filter?: string): void;
  unsubscribe?(topic: string): void;
  suspend?(): void;
  resume?(): void;
  /** What only its kind can. */
  act?(act: A): void | Promise<void>;
  /** Does what is left for its user to do, for the group to go on. */
  goOn?(): void;
  close(options?: CloseOptions): Promise<void>;
}

/** Where a member takes its place. */
export interface Seat<S, M extends GroupModel> {
  readonly mq: Broker;
  readonly options: {
    readonly group: string;
    readonly instanceName: string;
    readonly subscriptions: Readonly<Record<string, string>>;
  };
  readonly settings: S;
  readonly model: M;
  /** To whom its listener says what it gets. */
  readonly listeners: Listeners;
  readonly host: Process;
  readonly book: MessageBook;
  readonly history: HistoryRecorder;
  /** Once it has joined. */
  readonly member: () => Member;
  /** Waits for it, unless its process is killed meanwhile. */
  readonly follow: Follow;
}

/** @param failed - throws what it does not expect; default: expects nothing. */
export type Follow = <T>(
  what: string,
  promise: Promise<T>,
  succeeded?: (value: T) => void,
  failed?: (error: unknown) => void,
) => void;

/** One way to consume. Its members share one group, whose rules its model has. */
export interface MemberKind<S = unknown, M extends GroupModel = GroupModel, A = unknown> {
  /** The group's as well. */
  readonly name: string;
  /** How its group is set up before anybody joins. */
  readonly groupSettings?: GroupSettings;
  readonly settings: fc.Arbitrary<S>;
  readonly usualSettings: S;
  /** What its members can do besides. */
  readonly acts?: fc.Arbitrary<A>;
  createModel(group: string, surroundings: GroupSurroundings): M;
  /** The member, not yet started. */
  join(seat: Seat<S, M>): Consumer<A>;
  /** What its history, when its members have these settings, is to keep to besides; `undefined`: its members do what is no fault of anybody, though it looks so. */
  history(settings: readonly S[]): GroupHistoryRules | undefined;
}
