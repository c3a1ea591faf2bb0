import { deadLetterTopic } from "../../../lib/message/derived-names.js";
import { findProblems } from "../../support/test-broker.js";
import type { Command } from "./command.js";
import { EXPECTED_WITHIN_MS, type ExpectedWithinMs, type GroupModel } from "./group-model.js";
import { KINDS } from "./kinds.js";
import type { MemberKind } from "./member-kind.js";
import { FILTERS } from "./message-book.js";
import type { Place } from "./places.js";
import type { Process } from "./process.js";
import { MOST_QUEUES, World } from "./world.js";

/** What happened, to see that a run meant something. */
export interface ConsumingOutcome {
  readonly deliveries: number;
  readonly repeats: number;
  readonly ignoredResults: number;
  readonly dead: number;
}

/** How long it is waited for what is left, one after the other for as long as nothing of it happens. */
const WAITS_MS = [1_000, 10_000, 70_000, 600_000, 7_200_000, 7_200_000] as const;
/** That may be left when everybody has closed. */
const EMPTY_TABLES = [
  "mq_due",
  "mq_sent_back",
  "mq_engine",
  "mq_member",
  "mq_claim",
  "mq_pop",
  "mq_pop_order",
] as const;

/** Does what the commands say, lets everything that is left be consumed, and closes. Throws at the first rule that is broken. */
export async function runConsuming(place: Place, commands: readonly Command[]): Promise<ConsumingOutcome> {
  const run = new ConsumingRun(place);
  await run.begin();
  for (const command of commands) await run.do(command);
  return run.end();
}

class ConsumingRun {
  readonly #place: Place;
  readonly #world: World;
  #doing = "at the beginning";
  #wasSetBack = false;
  readonly #progress = new Map<string, number>();

  constructor(place: Place) {
    this.#place = place;
    this.#world = new World(place, KINDS);
  }

  async begin(): Promise<void> {
    await this.#world.begin();
    this.#check();
  }

  async do(command: Command): Promise<void> {
    this.#doing = JSON.stringify(command);
    await this.#do(command);
    this.#check();
  }

  async end(): Promise<ConsumingOutcome> {
    const { watch } = this.#world;
    this.#doing = "nothing but time passing";
    await this.#letEverythingEnd();
    this.#doing = "the rest was to be consumed";
    await this.#consumeTheRest();
    await this.#checkConsumed();
    this.#doing = "everybody closed";
    await this.#close();
    const counts = watch.groups.map((group) => group.counts);
    return {
      deliveries: sum(counts.map(({ deliveries }) => deliveries)),
      repeats: sum(counts.map(({ repeats }) => repeats)),
      ignoredResults: sum(counts.map(({ ignoredResults }) => ignoredResults)),
      dead: sum(counts.map(({ dead }) => dead)),
    };
  }

  async #do(command: Command): Promise<void> {
    const world = this.#world;
    switch (command.do) {
      case "send":
        return world.send(command);
      case "join":
        return world.join(command);
      case "leave":
        return world.leave(command);
      case "act":
        return world.act(command);
      case "end":
        return world.endCall(command);
      case "subscribe":
        return world.subscribe(command);
      case "suspend":
      case "resume":
        return world.suspendOrResume(command);
      case "restart":
        return world.restart(command);
      case "stall":
      case "go on":
        return world.stallOrGoOn(command);
      case "hang":
        return world.hang(command, (ms) => this.#pass(ms));
      case "grow":
        return world.grow();
      case "turn":
        return world.machine.turn();
      case "pass":
        return this.#pass(command.ms);
      case "step":
        this.#wasSetBack ||= command.ms < 0;
        return world.machine.step(command.ms);
      default:
        command satisfies never;
    }
  }

  async #pass(ms: number): Promise<void> {
    const { machine, watch } = this.#world;
    const { own, others } = EXPECTED_WITHIN_MS;
    const expect = (withinMs: ExpectedWithinMs): readonly (() => void)[] =>
      ms < withinMs ? [] : watch.groups.map((group) => group.expectWithin(withinMs));
    await machine.pass(Math.max(0, ms - others));
    const late = expect(others);
    await machine.pass(Math.max(0, Math.min(ms, others) - own));
    const early = expect(own);
    await machine.pass(Math.min(ms, own));
    this.#readProgress();
    // What was to be done soon is done later when the clock was set back.
    if (!this.#wasSetBack) for (const check of [...late, ...early]) check();
  }

  /** Whoever is there gets everything, without being pushed. */
  async #letEverythingEnd(): Promise<void> {
    const world = this.#world;
    world.listeners.isEnding = true;
    for (const process of world.processes) world.goOn(process);
    for (const member of world.members) {
      if (member.isClosing) continue;
      world.subscribeTo(member, member.filter ?? FILTERS[0]);
      member.consumer.resume?.();
    }
    await this.#waitUntilNone(async () => [
      ...world.underWay,
      ...world.watch.groups.flatMap((group) => group.undelivered()),
    ]);
  }

  async #consumeTheRest(): Promise<void> {
    const world = this.#world;
    for (const { name, usualSettings } of this.#kindsThatTookPart)
      world.join({ process: 0, kind: name, name: 9, settings: usualSettings });
    // Whatever was delivered and not committed is committed with one more.
    for (let queue = 0; queue < MOST_QUEUES; queue += 1)
      world.send({ process: 0, to: queue, tag: "a", scripts: [[]], isBatch: false });
    await this.#waitUntilNone(() => this.#unfinished());
  }

  get #kindsThatTookPart(): readonly MemberKind[] {
    const { watch, kinds } = this.#world;
    return kinds.filter((kind) => watch.settingsOf(kind).length > 0);
  }

  async #waitUntilNone(list: () => Promise<readonly string[]>): Promise<void> {
    const world = this.#world;
    let [last, waits] = ["", 0];
    for (;;) {
      world.endCalls((member) => world.members.includes(member));
      world.goOnConsuming();
      await this.#pass(EXPECTED_WITHIN_MS.own);
      this.#check();
      const left = (await list()).join("; ");
      if (left === "") return;
      if (left !== last) waits = 0;
      last = left;
      const wait = WAITS_MS[waits];
      if (wait === undefined) throw new Error(`stranded: ${left}`);
      waits += 1;
      if (wait > 100_000) await world.machine.step(wait);
      else await this.#pass(wait);
    }
  }

  async #unfinished(): Promise<readonly string[]> {
    const { watch, underWay, processes } = this.#world;
    const [process] = processes as [Process];
    const unfinished = [...underWay];
    for (const group of this.#kindsThatTookPart.map((kind) => watch.groupOf(kind))) {
      const { queues } = await process.mq.admin.consumeStats(group.group);
      const lagging = queues.filter(({ lag }) => lag > 0);
      unfinished.push(...lagging.map(({ queue }) => `${group.group}: ${queue.topic} ${queue.queueId} lags`));
      unfinished.push(...group.unfinished());
    }
    if (process.select("SELECT 1 FROM mq_due").length > 0) unfinished.push("something is put off");
    return unfinished;
  }

  async #checkConsumed(): Promise<void> {
    const { watch, processes } = this.#world;
    const [process] = processes as [Process];
    for (const kind of this.#kindsThatTookPart) {
      const model = watch.groupOf(kind);
      const rules = kind.history(watch.settingsOf(kind));
      if (rules !== undefined) watch.violations.push(...watch.history.findProblems(kind.name, rules));
      await this.#checkCopies(process, model);
    }
    this.#check();
  }

  /** Each dead letter once, and no copy of an attempt twice. */
  async #checkCopies({ mq }: Process, { group, dead }: GroupModel): Promise<void> {
    const { violations } = this.#world.watch;
    const namesIn = async (topic: string): Promise<readonly string[]> => {
      const copies = await mq.admin.browse({ topic, brokerName: "broker-a", queueId: 0 }, 0, 1_024).catch(() => []);
      return copies.map((copy) => `${this.#world.book.byBody(copy.text())?.name}`);
    };
    const letters = [...(await namesIn(deadLetterTopic(group)))].sort().join();
    const expected = dead
      .map(({ name }) => name)
      .sort()
      .join();
    if (letters !== expected) violations.push(`${group}: the dead letters are ${letters} instead of ${expected}`);
  }

  async #close(): Promise<void> {
    const { machine, processes, watch } = this.#world;
    for (const process of [...processes].reverse()) {
      await this.#world.close(process, false);
      this.#checkErrors(process);
      await machine.settle();
      if (process.pendingTimers > 0) watch.violations.push(`${process.pendingTimers} timers are left`);
    }
    this.#place.inspect((database) => {
      watch.violations.push(...findProblems(database));
      for (const table of EMPTY_TABLES) {
        const count = database.prepare(`SELECT 1 FROM ${table}`).all().length;
        if (count > 0) watch.violations.push(`${count} rows are left in ${table}`);
      }
    });
    this.#assertSound();
  }

  #check(): void {
    this.#readProgress();
    for (const process of this.#world.processes) this.#checkErrors(process);
    this.#checkAssignments();
    this.#assertSound();
  }

  #readProgress(): void {
    const { processes, watch } = this.#world;
    for (const { group, topic, queueId, nextOffset } of (processes[0] as Process).readProgress()) {
      const model = watch.groups.find((other) => other.group === group);
      model?.progressed(`${topic} ${queueId}`, nextOffset);
      const key = `${group} ${topic} ${queueId}`;
      if (this.#progress.get(key) !== nextOffset) watch.history.progress(group, topic, queueId, nextOffset);
      this.#progress.set(key, nextOffset);
    }
  }

  #checkErrors({ errors }: Process): void {
    this.#world.watch.violations.push(...errors.map((error) => `logged as an error: ${error}`));
  }

  /** No queue has two members. */
  #checkAssignments(): void {
    const owners = new Map<string, string>();
    for (const { kind, clientId, consumer, process } of this.#world.members) {
      if (process.isCatchingUp || process.isStalled) continue;
      for (const { topic, queueId } of consumer.assignment ?? []) {
        const queue = `${kind.name}: ${topic} ${queueId}`;
        const owner = owners.get(queue);
        if (owner !== undefined) this.#world.watch.violations.push(`${queue} is assigned to ${owner} and ${clientId}`);
        owners.set(queue, clientId);
      }
    }
  }

  #assertSound(): void {
    const { violations } = this.#world.watch;
    if (violations.length > 0) throw new Error([`After ${this.#doing}:`, ...violations].join("\n"));
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
