import type { Clock, ClockTimer } from "../time/clock.js";
import type { GroupMember } from "./broker-port.js";

/** Source: RocketMQ, `broker/.../client/ClientHousekeepingService.java`. */
const SCAN_MS = 10_000;
/** What comes so much later was held up: this process was stopped, or slept with the whole machine, and could hear nobody meanwhile. */
const LONGEST_DELAY_MS = 2_000;

interface Sighting {
  readonly expiresAfterMs: number;
  /** Silent since. */
  readonly since: number;
  /** It began to count anew since, because this process had been stopped. */
  readonly wasExcused: boolean;
}

/**
 * Finds out which members behind connections have gone silent. It looks every 10 s, and only while there are such members; a member in this process is
 * there until it says otherwise.
 *
 * Whoever slept gives everybody the whole time again, as `peers.ts` does: heartbeats that came meanwhile are still on their way in. Once, as he may
 * simply be busy, unless he slept for longer than a member may be silent.
 *
 * Source: RocketMQ, `broker/.../client/ConsumerManager.java`, `scanNotActiveChannel`.
 */
export class HeartbeatScan {
  readonly #clock: Clock;
  readonly #expire: (members: readonly GroupMember[]) => void;
  readonly #seen = new Map<GroupMember, Sighting>();
  #timer: ClockTimer | undefined;
  #scanAt = 0;

  /** @param clock - for how long something takes. */
  constructor(clock: Clock, expire: (members: readonly GroupMember[]) => void) {
    this.#clock = clock;
    this.#expire = expire;
  }

  /** The member has just said that it is there. */
  heard(member: GroupMember): void {
    const { remote } = member;
    if (remote === undefined) return;
    const since = this.#clock.now();
    this.#seen.set(member, { expiresAfterMs: remote.expiresAfterMs, since, wasExcused: false });
    this.#scanLater(since);
  }

  forget(member: GroupMember): void {
    if (this.#seen.delete(member) && this.#seen.size === 0) this.close();
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#seen.clear();
  }

  #scanLater(now: number): void {
    if (this.#timer !== undefined) return;
    this.#scanAt = now + SCAN_MS;
    this.#timer = this.#clock.at(this.#scanAt, () => {
      this.#timer = undefined;
      this.#scan();
    });
  }

  #scan(): void {
    const now = this.#clock.now();
    const delayMs = now - this.#scanAt;
    const expired: GroupMember[] = [];
    for (const [member, { expiresAfterMs, since, wasExcused }] of this.#seen) {
      const isExcused = delayMs > (wasExcused ? expiresAfterMs : LONGEST_DELAY_MS);
      if (isExcused) this.#seen.set(member, { expiresAfterMs, since: now, wasExcused: true });
      else if (now - since > expiresAfterMs) expired.push(member);
    }
    for (const member of expired) this.#seen.delete(member);
    if (this.#seen.size > 0) this.#scanLater(now);
    if (expired.length > 0) this.#expire(expired);
  }
}
