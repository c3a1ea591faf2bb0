import { MqError } from "../errors.js";
import { popRetryTopic } from "../message/derived-names.js";
import type { ClockTimer } from "../time/clock.js";
import type { SteadyClock } from "../time/steady-clock.js";
import type { WithdrawableWrite } from "./broker-port.js";
import type { PopGlance, PopOutcome, PopRequest } from "./pop-message.js";
import type { PopLookObserver } from "./pop-write.js";

/** Pops that wait for one topic of one group, and all together. Source: RocketMQ, `BrokerConfig.java`, `popPollingSize`, `maxPopPollingSize`. */
const MAX_WAITING_A_TOPIC = 1_024;
const MAX_WAITING = 100_000;
/** Source: RocketMQ, `ResponseCode.java`. */
const POLLING_FULL = 209;
/**
 * While receives wait for queues that are blocked, each commit of another process is a reason to look at all of these, 10 to 20 µs each. After a look it is not looked
 * again for a millisecond for each so many of them: with 1,024 queues every commit took 20 ms, for each kind of receive that waited.
 */
const BLOCKED_QUEUES_A_MS = 10;
const MAX_PAUSE_MS = 1_000;
const NOTHING: PopOutcome = { messages: [], deadLettered: [], hasMore: false, blockedUntil: undefined };

export interface PopHoldOptions {
  readonly clock: SteadyClock;
  /** Looks for messages with the next group commit. */
  readonly look: (request: PopRequest, observer: PopLookObserver) => WithdrawableWrite;
  /** Reads whether a look might find something. Those who want messages of the same topics get the same answer. */
  readonly glance: (request: PopRequest) => PopGlance;
  /** That could not be read. */
  readonly onUnread: (error: unknown) => void;
  /** A pop has begun to wait. */
  readonly onWaiting: () => void;
}

/**
 * Pops, until they have found messages or their time is up.
 *
 * ```
 * looking ──found──▶ answered
 *   ▲  └──nothing──▶ waiting ──its time is up──▶ answered, with nothing
 *   └─woken, or a queue is free─┘
 * ```
 * A pop looks in a transaction, and nothing is committed between that and its waiting: so no message is missed. A commit wakes one pop of each group for
 * each message; one that was woken and does not take it, as it is withdrawn for example, or finds something in another of its topics, passes that on.
 *
 * Source: RocketMQ, `broker/.../longpolling/PopLongPollingService.java`.
 */
export class PopHold {
  readonly #options: PopHoldOptions;
  /** Those that wait, or did before they looked again: by where messages for them lie, then by group, in the order in which they began to. */
  readonly #byTopic = new Map<string, Map<string, Set<HeldPop>>>();
  readonly #held = new Set<HeldPop>();
  /** When queues that are blocked may be looked at again, and whether somebody wants that sooner. */
  #notBefore = Number.NEGATIVE_INFINITY;
  #later: ClockTimer | undefined;
  /** Why nobody waits any more. */
  #failure: { readonly error: unknown } | undefined;

  constructor(options: PopHoldOptions) {
    this.#options = options;
  }

  /** Pops that wait. */
  get count(): number {
    return this.#held.size;
  }

  /** Throws when it cannot even look. */
  pop(request: PopRequest, observer: PopLookObserver): WithdrawableWrite {
    const pop = new HeldPop(request, observer, this.#options.clock.now() + request.awaitMs);
    this.#look(pop);
    return { withdraw: () => this.#withdraw(pop) };
  }

  /** So many messages came to this topic, which may be the retry topic of a group and a topic. */
  wake(topic: string, count: number): void {
    for (const pops of this.#byTopic.get(topic)?.values() ?? []) this.#wakeIdle(pops, topic, count);
  }

  /** The group may have more of this topic than before. @param count - how many are worth waking */
  wakeGroup(group: string, topic: string, count: number): void {
    const pops = this.#byTopic.get(topic)?.get(group);
    if (pops !== undefined) this.#wakeIdle(pops, topic, count);
  }

  /** Anything may have changed. */
  lookAgain(): void {
    this.#glanceAt([...this.#held]);
  }

  /** Whether a queue is free, or will be at another time, is seen in no message. */
  lookAtBlocked(): void {
    const { clock } = this.#options;
    const blocked = [...this.#held].filter(({ blockedUntil }) => blockedUntil !== undefined);
    if (blocked.length === 0) return;
    if (this.#notBefore > clock.now()) {
      this.#later ??= clock.at(this.#notBefore, () => {
        this.#later = undefined;
        this.lookAtBlocked();
      });
      return;
    }
    const queues = this.#glanceAt(blocked);
    this.#notBefore = clock.now() + Math.min(MAX_PAUSE_MS, Math.floor(queues / BLOCKED_QUEUES_A_MS));
  }

  /** All that wait, and from now on whoever looks and finds nothing. */
  failAll(error: unknown): void {
    this.#failure ??= { error };
    for (const pop of [...this.#held]) {
      if (pop.look?.withdraw() === false) continue;
      this.#end(pop);
      pop.observer.failed(error);
    }
  }

  /** Once for all that want the same. Returns at how many queues it has looked. */
  #glanceAt(pops: readonly HeldPop[]): number {
    const glances = new Map<string, PopGlance | undefined>();
    let queues = 0;
    for (const pop of pops) {
      if (pop.look !== undefined || pop.isOver) continue;
      if (!glances.has(pop.wish)) glances.set(pop.wish, this.#glance(pop.request));
      const glance = glances.get(pop.wish);
      // A look waits until it can be read.
      if (glance === undefined || glance.mayFind) {
        this.#woken(pop);
        continue;
      }
      pop.blockedUntil = glance.blockedUntil;
      this.#arm(pop);
    }
    for (const glance of glances.values()) queues += glance?.queues ?? 0;
    return queues;
  }

  /** `undefined`: it could not be read. */
  #glance(request: PopRequest): PopGlance | undefined {
    try {
      return this.#options.glance(request);
    } catch (error) {
      this.#options.onUnread(error);
      return undefined;
    }
  }

  #wakeIdle(pops: ReadonlySet<HeldPop>, topic: string, count: number): void {
    let left = count;
    for (const pop of [...pops]) {
      if (left === 0) return;
      if (pop.look !== undefined) continue;
      left -= 1;
      pop.wokenFor = topic;
      this.#woken(pop);
    }
  }

  #woken(pop: HeldPop): void {
    try {
      this.#look(pop);
    } catch (error) {
      this.#failed(pop, error);
    }
  }

  #look(pop: HeldPop): void {
    pop.look = this.#options.look(pop.request, {
      looked: (outcome) => this.#looked(pop, outcome),
      failed: (error) => this.#failed(pop, error),
    });
  }

  #looked(pop: HeldPop, outcome: PopOutcome): void {
    pop.look = undefined;
    const topic = outcome.messages[0]?.storedTopic;
    if (outcome.blockedUntil !== undefined) this.#tellBlocked(pop, outcome.blockedUntil);
    if (topic !== undefined) {
      this.#end(pop);
      pop.observer.looked(outcome);
      if (outcome.hasMore) this.#wakeNext(pop, topic);
      if (pop.wokenFor !== topic) this.#passOn(pop);
      return;
    }
    // What it looked at was none of what is wanted: that is no reason to wait.
    if (outcome.hasMore) this.#woken(pop);
    else this.#wait(pop, outcome);
  }

  #failed(pop: HeldPop, error: unknown): void {
    pop.look = undefined;
    this.#end(pop);
    pop.observer.failed(error);
    this.#passOn(pop);
  }

  #wait(pop: HeldPop, { blockedUntil }: PopOutcome): void {
    const { clock, onWaiting } = this.#options;
    pop.wokenFor = undefined;
    pop.blockedUntil = blockedUntil;
    if (pop.deadline <= clock.now()) {
      this.#end(pop);
      pop.observer.looked(NOTHING);
      return;
    }
    if (this.#failure !== undefined) {
      this.#end(pop);
      pop.observer.failed(this.#failure.error);
      return;
    }
    if (!this.#held.has(pop) && !this.#hold(pop)) return;
    this.#arm(pop);
    onWaiting();
  }

  /** False: there are too many, and it was told so. */
  #hold(pop: HeldPop): boolean {
    const { group } = pop.request;
    const countOf = (topic: string): number => this.#byTopic.get(topic)?.get(group)?.size ?? 0;
    if (this.#held.size >= MAX_WAITING || pop.places.some((topic) => countOf(topic) >= MAX_WAITING_A_TOPIC)) {
      const text = `${this.#held.size} pops wait, ${MAX_WAITING_A_TOPIC} of group ${group} for one topic at most: close or abort some`;
      this.#end(pop);
      pop.observer.failed(new MqError("ERR_MQ_TOO_MANY_REQUESTS", text, { responseCode: POLLING_FULL }));
      return false;
    }
    this.#held.add(pop);
    for (const topic of pop.places) this.#popsOf(topic, group).add(pop);
    return true;
  }

  #arm(pop: HeldPop): void {
    const { clock } = this.#options;
    pop.timer?.cancel();
    const freeAt = pop.blockedUntil === undefined ? pop.deadline : clock.fromWall(pop.blockedUntil);
    pop.timer = clock.at(Math.min(pop.deadline, freeAt), () => this.#rang(pop));
  }

  #rang(pop: HeldPop): void {
    if (pop.deadline <= this.#options.clock.now()) {
      if (this.#withdraw(pop)) pop.observer.looked(NOTHING);
      return;
    }
    // A look may take longer than it has time, while another connection has the lock.
    pop.blockedUntil = undefined;
    this.#arm(pop);
    if (pop.look === undefined) this.#woken(pop);
  }

  /** False when it was answered. */
  #withdraw(pop: HeldPop): boolean {
    const wasLooking = pop.look !== undefined;
    if (pop.isOver || pop.look?.withdraw() === false) return false;
    this.#end(pop);
    if (wasLooking) this.#passOn(pop);
    return true;
  }

  #end(pop: HeldPop): void {
    pop.isOver = true;
    pop.look = undefined;
    pop.timer?.cancel();
    if (!this.#held.delete(pop)) return;
    if (this.#held.size === 0) {
      this.#later?.cancel();
      this.#later = undefined;
    }
    const { group } = pop.request;
    for (const topic of pop.places) {
      const groups = this.#byTopic.get(topic);
      const pops = groups?.get(group);
      pops?.delete(pop);
      if (pops?.size === 0) groups?.delete(group);
      if (groups?.size === 0) this.#byTopic.delete(topic);
    }
  }

  /** The others of its group may have looked before the queue was blocked, as this one or another process has only now taken what was in it. */
  #tellBlocked({ places, request }: HeldPop, until: number): void {
    for (const topic of places)
      for (const pop of this.#byTopic.get(topic)?.get(request.group) ?? []) {
        if (pop.blockedUntil !== undefined && pop.blockedUntil <= until) continue;
        pop.blockedUntil = until;
        if (pop.look === undefined) this.#arm(pop);
      }
  }

  /** Another one of the group has a look for what it was woken for. */
  #passOn(pop: HeldPop): void {
    if (pop.wokenFor !== undefined) this.#wakeNext(pop, pop.wokenFor);
  }

  #wakeNext({ request }: HeldPop, topic: string): void {
    this.wakeGroup(request.group, topic, 1);
  }

  #popsOf(topic: string, group: string): Set<HeldPop> {
    const groups = this.#byTopic.get(topic) ?? new Map<string, Set<HeldPop>>();
    this.#byTopic.set(topic, groups);
    const pops = groups.get(group) ?? new Set();
    groups.set(group, pops);
    return pops;
  }
}

/** One pop on its way. */
class HeldPop {
  readonly request: PopRequest;
  readonly observer: PopLookObserver;
  readonly deadline: number;
  /** It is looking, or will with the next commit. */
  look: WithdrawableWrite | undefined;
  timer: ClockTimer | undefined;
  /** Where there was something, as it began to look. */
  wokenFor: string | undefined;
  /** As of its last look, by the clock that says what time it is. */
  blockedUntil: number | undefined;
  isOver = false as boolean;
  /** The same for all that may find the same. */
  readonly wish: string;
  #places: readonly string[] | undefined;

  constructor(request: PopRequest, observer: PopLookObserver, deadline: number) {
    this.request = request;
    this.observer = observer;
    this.deadline = deadline;
    this.wish = [request.group, ...request.topics.map(({ topic }) => topic)].join("\u0001");
  }

  /** Where messages for it may lie. */
  get places(): readonly string[] {
    const { group, topics } = this.request;
    this.#places ??= topics.flatMap(({ topic }) => [topic, popRetryTopic(group, topic)]);
    return this.#places;
  }
}
