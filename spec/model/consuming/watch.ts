import type { MessageQueue } from "../../../lib/index.js";
import type { GroupModel, ListeningGroupModel, Retried } from "./group-model.js";
import { HistoryRecorder } from "./history-recorder.js";
import type { Call, Delivered } from "./hold.js";
import type { Machine } from "./machine.js";
import type { Member } from "./member.js";
import type { MemberKind } from "./member-kind.js";
import type { MessageBook } from "./message-book.js";
import type { Ended } from "./outcome.js";
import type { Process } from "./process.js";

/** Whose listener is called. */
export interface Hearer {
  readonly member: Member;
  readonly model: ListeningGroupModel;
}

/** Sees what happens, compares it with the models of the groups, and writes it down. */
export class Watch {
  readonly violations: string[] = [];
  readonly history: HistoryRecorder;
  readonly #book: MessageBook;
  readonly #groups = new Map<string, GroupModel>();
  readonly #settings = new Map<string, unknown[]>();

  constructor(machine: Machine, book: MessageBook, kinds: readonly MemberKind[], isAlone: boolean) {
    this.#book = book;
    this.history = new HistoryRecorder(machine);
    for (const kind of kinds) {
      const model = kind.createModel(kind.name, {
        machine,
        book,
        isAlone,
        broken: (rule) => void this.violations.push(rule),
        dies: (message) => this.history.dies(kind.name, message),
        shared: (clientId) => this.history.gone(clientId),
      });
      this.#groups.set(kind.name, model);
    }
  }

  get groups(): readonly GroupModel[] {
    return [...this.#groups.values()];
  }

  groupOf({ name }: MemberKind): GroupModel {
    return this.#groups.get(name) as GroupModel;
  }

  /** Of all members of this kind so far. */
  settingsOf({ name }: MemberKind): readonly unknown[] {
    return this.#settings.get(name) ?? [];
  }

  started({ mq, trust }: Process): void {
    const unlessGone = (tell: () => void): void => (trust.isGone ? undefined : tell());
    mq.on("message:retried", (event) => unlessGone(() => this.#retried(event)));
    mq.on("message:deadLettered", (event) => unlessGone(() => this.#groups.get(event.group)?.deadLettered(event)));
  }

  joined(member: Member): void {
    const { kind, settings } = member;
    this.#settings.set(kind.name, [...this.settingsOf(kind), settings]);
    this.groupOf(kind).joined(member);
  }

  delivered({ member, model }: Hearer, { topic, queueId }: MessageQueue, batch: readonly Delivered[]): Call {
    const { kind, clientId } = member;
    const call = model.delivered(member, `${topic} ${queueId}`, batch);
    if (call.isDoubtful) this.history.gone(clientId);
    for (const delivered of batch) this.history.delivered(kind.name, clientId, delivered);
    return call;
  }

  /** A listener ends. */
  returned({ member, model }: Hearer, call: Call, ended: Ended): void {
    const { kind, clientId } = member;
    if (!call.hasTimedOut) {
      const consumed = call.batch.slice(0, model.countConsumed(ended, call.batch.length));
      for (const delivered of consumed) this.history.consumed(kind.name, clientId, delivered);
    }
    model.returned(call, ended);
  }

  #retried(event: Retried): void {
    const { group, messageId, deliveryAttempt, dueAt } = event;
    const model = this.#groups.get(group);
    const message = this.#book.byId(messageId);
    model?.retried(event);
    if (message !== undefined && model?.isAttemptStored === true)
      this.history.retried(group, message, deliveryAttempt, dueAt);
  }
}
