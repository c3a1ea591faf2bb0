import { isMqError, selectByHash } from "../../../lib/index.js";
import type { Command } from "./command.js";
import { Listeners } from "./listeners.js";
import { Machine } from "./machine.js";
import type { Member } from "./member.js";
import type { MemberKind } from "./member-kind.js";
import { FILTERS, MessageBook, type SentMessage, TOPIC } from "./message-book.js";
import type { Place } from "./places.js";
import { Process, QUEUES } from "./process.js";
import { letPromisesSettle } from "./promises.js";
import { Watch } from "./watch.js";

export const MOST_QUEUES = QUEUES + 2;
/** Of a kind. */
const MOST_MEMBERS = 6;
/** In real time: a close that waits for its listeners waits for the command that ends them. */
const GRACE_MS = 600_000;

/** Whatever ends at all ends within so many. */
const MOST_TURNS = 20_000;

type Of<D extends Command["do"]> = Extract<Command, { readonly do: D }>;

/** The processes with their members, and what commands do with them. */
export class World {
  readonly machine = new Machine();
  readonly book = new MessageBook();
  readonly watch: Watch;
  readonly listeners: Listeners;
  readonly kinds: readonly MemberKind[];
  readonly #place: Place;
  readonly #processes: Process[] = [];
  #members: Member[] = [];
  #underWay: { readonly process: Process; readonly what: string }[] = [];
  #lives = 0;
  #queues = QUEUES;

  constructor(place: Place, kinds: readonly MemberKind[]) {
    this.#place = place;
    this.kinds = kinds;
    this.watch = new Watch(this.machine, this.book, kinds, place.processes === 1);
    this.listeners = new Listeners(this.book, this.watch);
  }

  get processes(): readonly Process[] {
    return this.#processes;
  }

  get members(): readonly Member[] {
    return this.#members;
  }

  /** Sends, joins and closes that have not ended. */
  get underWay(): readonly string[] {
    return this.#underWay.filter(({ process }) => !process.trust.isGone).map(({ what }) => what);
  }

  async begin(): Promise<void> {
    for (let index = 0; index < this.#place.processes; index += 1) await this.#start(index);
    const admin = this.#processes[0]?.mq.admin;
    await admin?.createTopic(TOPIC);
    for (const { name, groupSettings } of this.kinds)
      if (groupSettings !== undefined) await admin?.createGroup(name, groupSettings);
    await this.machine.settle();
  }

  send({ process: number, to, tag, scripts, isBatch }: Omit<Of<"send">, "do">): void {
    const process = this.#chooseProcess(number);
    if (process === undefined) return;
    const { producer } = process;
    const messages = scripts.map((script) => this.book.write(tag, script));
    const contents = messages.map(({ name, script }) => ({ topic: TOPIC, tag, body: `${name}: ${script.join(", ")}` }));
    const options = { queue: typeof to === "number" ? to % this.#queues : selectByHash(to) };
    for (const message of messages) this.watch.history.sent(message);
    const stored = (message: SentMessage | undefined, receipt: Parameters<MessageBook["stored"]>[1]): void => {
      const problem = message && this.book.stored(message, receipt, `${process.life}`);
      if (problem !== undefined) this.watch.violations.push(problem);
    };
    if (isBatch) {
      const sending = producer.sendBatch(contents, options);
      this.#follow(process, "a batch is sent", sending, (receipts) => {
        for (const [index, receipt] of receipts.entries()) stored(messages[index], receipt);
      });
      return;
    }
    for (const [index, content] of contents.entries())
      this.#follow(process, "a message is sent", producer.send(content, options), (receipt) =>
        stored(messages[index], receipt),
      );
  }

  join({ process: number, kind: kindName, name, settings }: Omit<Of<"join">, "do">): void {
    const process = this.#chooseProcess(number);
    const kind = this.kinds.find((other) => other.name === kindName);
    if (process === undefined || kind === undefined) return;
    const instanceName = `${name}-${this.#processes.indexOf(process)}`;
    const ofKind = this.#members.filter((member) => member.kind === kind);
    if (ofKind.length >= MOST_MEMBERS || ofKind.some((member) => member.instanceName === instanceName)) return;
    const consumer = kind.join({
      mq: process.mq,
      options: { group: kind.name, instanceName, subscriptions: { [TOPIC]: FILTERS[0] } },
      settings,
      model: this.watch.groupOf(kind),
      listeners: this.listeners,
      host: process,
      book: this.book,
      history: this.watch.history,
      member: () => member,
      follow: (what, ...followed) => this.#follow(process, `${member.clientId} ${what}`, ...followed),
    });
    const member: Member = {
      kind,
      consumer,
      instanceName,
      settings,
      clientId: consumer.clientId,
      process: process.trust,
      host: process,
      holds: new Map(),
      filter: FILTERS[0],
      isClosing: false,
      isLeavingInHaste: false,
    };
    this.#members.push(member);
    this.watch.joined(member);
    this.#follow(process, `${member.clientId} joins`, consumer.start(), undefined, (error) => {
      // It left before it had joined.
      if (!member.isClosing || !isMqError(error, "ERR_MQ_CLOSED")) throw error;
    });
  }

  async leave({ member: number, isHasty }: Of<"leave">): Promise<void> {
    const member = this.#chooseMember(number);
    if (member === undefined) return;
    member.isClosing = true;
    member.isLeavingInHaste = isHasty;
    const left = (): void => this.#left(member);
    const closing = member.consumer.close({ graceMs: isHasty ? 0 : GRACE_MS });
    this.#follow(member.host, `${member.clientId} leaves`, closing, left);
    // It waits in real time, in which nothing else must happen.
    if (isHasty) await this.#until(closing, `${member.clientId} leaves`);
  }

  endCall({ call, outcome }: Of<"end">): void {
    const held = this.listeners.held.filter(({ member }) => !member.process.isStalled);
    choose(held, call)?.end(outcome);
  }

  subscribe({ member: number, filter }: Of<"subscribe">): void {
    const member = this.#chooseMember(number);
    if (member !== undefined) this.subscribeTo(member, filter === undefined ? undefined : FILTERS[filter]);
  }

  subscribeTo(member: Member, filter: string | undefined): void {
    const { consumer } = member;
    if (filter === member.filter || (filter === undefined && consumer.unsubscribe === undefined)) return;
    const model = this.watch.groupOf(member.kind);
    if (filter === undefined) model.unsubscribed(member);
    else if (member.filter !== undefined) model.renewed(member);
    member.filter = filter;
    if (filter === undefined) consumer.unsubscribe?.(TOPIC);
    else consumer.subscribe(TOPIC, filter);
  }

  suspendOrResume({ do: what, member: number }: Of<"suspend" | "resume">): void {
    this.#chooseMember(number)?.consumer[what]?.();
  }

  act({ kind, member: number, act }: Of<"act">): void | Promise<void> {
    return this.#chooseMember(number, kind)?.consumer.act?.(act);
  }

  /** Of everybody. */
  goOnConsuming(): void {
    for (const { consumer, isClosing } of this.#members) if (!isClosing) consumer.goOn?.();
  }

  async restart({ process: number, how }: Of<"restart">): Promise<void> {
    const process = how === "killed" ? choose(this.#processes, number) : this.#chooseProcess(number);
    if (process === undefined) return;
    if (how === "killed") await this.#kill(process);
    else await this.close(process, how === "closed in haste");
    await this.#start(this.#processes.indexOf(process));
  }

  stallOrGoOn({ do: what, process: number }: Of<"stall" | "go on">): void {
    const process = choose(this.#processes, number);
    if (what === "stall") process?.stall();
    else if (process !== undefined) this.goOn(process);
  }

  goOn(process: Process): void {
    this.#noteSilence(process);
    process.resume();
  }

  /** It stands still for a while. */
  async hang({ process: number, ms }: Of<"hang">, pass: (ms: number) => Promise<void>): Promise<void> {
    const process = this.#chooseProcess(number);
    if (process === undefined) return;
    process.stall();
    await pass(ms);
    this.goOn(process);
  }

  async grow(): Promise<void> {
    const process = this.#chooseProcess(0);
    if (process === undefined || this.#queues >= MOST_QUEUES) return;
    this.#queues += 1;
    await process.mq.admin.updateTopic(TOPIC, { readQueueNums: this.#queues, writeQueueNums: this.#queues });
    // With it other things may have been committed.
    for (let count = 0; count < 2; count += 1) await letPromisesSettle();
  }

  async close(process: Process, isHasty: boolean): Promise<void> {
    const members = this.#members.filter(({ host }) => host === process);
    process.trust.isEnding = true;
    // Who leaves already does so as it was asked to.
    const patient = new Set(members.filter(({ isClosing }) => !isHasty || isClosing));
    for (const member of members) {
      member.isClosing = true;
      if (!patient.has(member)) member.isLeavingInHaste = true;
    }
    const closing = process.mq.close({ graceMs: isHasty ? 0 : GRACE_MS });
    await this.#until(closing, "a process closes", () => this.endCalls((member) => patient.has(member)));
    process.trust.isGone = true;
    for (const member of members) this.#left(member);
  }

  /** Nothing but what is to be done now happens meanwhile, and `again` with each turn. */
  async #until(promise: Promise<unknown>, what: string, again: () => void = () => undefined): Promise<void> {
    let isOver = false;
    const over = promise.finally(() => {
      isOver = true;
    });
    for (let turn = 0; !isOver; turn += 1) {
      if (turn > MOST_TURNS) throw new Error(`${what}, which does not end`);
      again();
      await this.machine.turn();
    }
    await over;
  }

  /** With success. */
  endCalls(isOne: (member: Member) => boolean): void {
    for (const held of this.listeners.held) if (isOne(held.member)) held.end(held.lastOutcome);
  }

  async #start(index: number): Promise<void> {
    this.#lives += 1;
    const process = await Process.start(this.#place, this.machine, this.#lives);
    this.#processes[index] = process;
    this.watch.started(process);
    // Before others can have got anything of the queues.
    process.mq.on("group:rebalanced", ({ clientId, group, assignment }) => {
      const isOne = (member: Member): boolean => member.clientId === clientId && member.kind.name === group;
      const member = this.#members.find(isOne);
      if (assignment.length === 0 && member?.isClosing === true) this.watch.groupOf(member.kind).dropped(member);
    });
  }

  async #kill(process: Process): Promise<void> {
    const stored = process.readProgress();
    const held = this.listeners.held.filter(({ member }) => member.host === process);
    this.#noteSilence(process);
    const killing = process.kill();
    // Nobody hears of it but the close of a consumer that waits for it.
    for (const call of held) call.end("success");
    for (const member of this.#members) if (member.host === process) this.watch.history.gone(member.clientId);
    this.#members = this.#members.filter(({ host }) => host !== process);
    for (const model of this.watch.groups) {
      const ofGroup = stored.filter(({ group }) => group === model.group);
      const storedIn = (queue: string): number | undefined =>
        ofGroup.find(({ topic, queueId }) => `${topic} ${queueId}` === queue)?.nextOffset;
      model.killed(process.trust, (queue) => storedIn(queue) ?? 0);
    }
    await this.#until(killing, "a process is killed");
  }

  /** What its members had in hand before it was silent may be others' since. */
  #noteSilence({ trust }: Process): void {
    if (!trust.isSilent) return;
    for (const { process, clientId } of this.#members)
      if (process === trust) this.watch.history.gone(clientId, trust.stalledSince);
  }

  #left(member: Member): void {
    this.watch.history.gone(member.clientId);
    this.watch.groupOf(member.kind).left(member);
    this.#members = this.#members.filter((other) => other !== member);
  }

  #chooseProcess(number: number): Process | undefined {
    return choose(
      this.#processes.filter(({ trust }) => !trust.isStalled),
      number,
    );
  }

  /** @param kindName - default: any kind. */
  #chooseMember(number: number, kindName?: string): Member | undefined {
    const isOfKind = ({ kind }: Member): boolean => kindName === undefined || kind.name === kindName;
    return choose(
      this.#members.filter((member) => isOfKind(member) && !member.isClosing && !member.process.isStalled),
      number,
    );
  }

  #follow<T>(
    process: Process,
    what: string,
    promise: Promise<T>,
    succeeded?: (value: T) => void,
    failed?: (error: unknown) => void,
  ): void {
    const entry = { process, what };
    this.#underWay.push(entry);
    const unlessGone = (then: () => void): void => {
      if (!process.trust.isGone) then();
    };
    promise
      .then(
        (value) => unlessGone(() => succeeded?.(value)),
        (error: unknown) =>
          unlessGone(() => {
            if (failed === undefined) throw error;
            failed(error);
          }),
      )
      .catch((error: unknown) => void this.watch.violations.push(`${what}: ${String(error)}`))
      .finally(() => {
        this.#underWay = this.#underWay.filter((other) => other !== entry);
      });
  }
}

/** By the remainder; `undefined` where there is none. */
function choose<T>(list: readonly T[], number: number): T | undefined {
  return list[number % list.length];
}
