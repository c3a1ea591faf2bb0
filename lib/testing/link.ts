import type { GroupMember } from "../broker/broker-port.js";
import type { LocalBroker } from "../broker/local-broker.js";
import type { Clock, ClockTimer } from "../time/clock.js";

/** So long a broker waits for a silent client. Source: RocketMQ, `broker/.../client/ConsumerManager.java`, `channelExpiredTimeout`. */
const EXPIRES_MS = 120_000;

/** What is between a consumer and the broker, which a test may cut. */
export class Link {
  /** As the broker knows it: hears nothing while the link is cut. */
  readonly member: GroupMember;
  readonly #client: GroupMember;
  readonly #broker: LocalBroker;
  readonly #clock: Clock;
  #silence: ClockTimer | undefined;
  #isCut = false;
  #isExpired = false;
  #hasLeft = false;
  #waiting: (() => void)[] = [];

  constructor(client: GroupMember, broker: LocalBroker, clock: Clock) {
    this.#client = client;
    this.#broker = broker;
    this.#clock = clock;
    const whole =
      (tell: () => void): (() => void) =>
      () => {
        if (!this.#isCut) tell();
      };
    this.member = {
      clientId: client.clientId,
      group: client.group,
      messageModel: client.messageModel,
      consumeType: client.consumeType,
      instance: client.instance,
      isStrict: client.isStrict,
      get subscriptions() {
        return client.subscriptions;
      },
      get wantedQueues() {
        return client.wantedQueues;
      },
      dropLostQueues: whole(() => client.dropLostQueues()),
      takeNewQueues: whole(() => client.takeNewQueues()),
      brokerFailed: (error) => client.brokerFailed(error),
    };
  }

  get isCut(): boolean {
    return this.#isCut;
  }

  /** The consumer was closed. */
  get hasLeft(): boolean {
    return this.#hasLeft;
  }

  /** Resolves once something passes, or the signal is aborted. */
  whole(signal?: AbortSignal): Promise<void> | undefined {
    if (!this.#isCut || signal?.aborted === true) return undefined;
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      signal?.addEventListener("abort", () => resolve(), { once: true });
    });
  }

  heartbeat(): void {
    this.#broker.heartbeat(this.member);
  }

  /** The broker does not hear of it while the link is cut. */
  leave(): void {
    this.#hasLeft = true;
    if (!this.#isCut) this.#broker.unregisterConsumer(this.member);
  }

  cut(): void {
    if (this.#isCut) return;
    this.#isCut = true;
    this.#silence = this.#clock.at(this.#clock.now() + EXPIRES_MS, () => {
      this.#isExpired = true;
      this.#broker.unregisterConsumer(this.member);
    });
  }

  /** As the next heartbeat of a client of RocketMQ does, it registers again where the broker has forgotten it. */
  async mend(): Promise<void> {
    if (!this.#isCut) return;
    this.#isCut = false;
    this.#silence?.cancel();
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
    if (this.#hasLeft) {
      if (!this.#isExpired) this.#broker.unregisterConsumer(this.member);
      return;
    }
    if (this.#isExpired) {
      this.#isExpired = false;
      await this.#broker.registerConsumer(this.member);
      return;
    }
    this.#client.dropLostQueues();
    this.#client.takeNewQueues();
  }

  /** Nobody looks after it any more. */
  close(): void {
    this.#silence?.cancel();
  }
}
