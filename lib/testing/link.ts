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
  /** How often it was cut, and not mended. */
  #cuts = 0;
  #isExpired = false;
  /** It registers again. */
  #isReturning = false;
  #hasLeft = false;
  #isClosed = false;
  #waiting: (() => void)[] = [];

  constructor(client: GroupMember, broker: LocalBroker, clock: Clock) {
    this.#client = client;
    this.#broker = broker;
    this.#clock = clock;
    const whole =
      (tell: () => void): (() => void) =>
      () => {
        if (!this.isCut) tell();
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
    return this.#cuts > 0;
  }

  /** The consumer was closed. */
  get hasLeft(): boolean {
    return this.#hasLeft;
  }

  /** Resolves once something passes, or the signal is aborted. */
  whole(signal?: AbortSignal): Promise<void> | undefined {
    if (!(this.isCut || this.#isReturning) || signal?.aborted === true) return undefined;
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
    if (!this.isCut) this.#broker.unregisterConsumer(this.member);
  }

  cut(): void {
    this.#cuts += 1;
    if (this.#cuts > 1) return;
    this.#silence = this.#clock.at(this.#clock.now() + EXPIRES_MS, () => {
      this.#isExpired = true;
      this.#broker.unregisterConsumer(this.member);
    });
  }

  /** Undoes one cut. After the last one it registers again where the broker has forgotten it, as the next heartbeat of a client of RocketMQ does. */
  async mend(): Promise<void> {
    if (this.#isClosed) return;
    this.#cuts -= 1;
    if (this.#cuts > 0) return;
    this.#silence?.cancel();
    try {
      await this.#goOn();
    } finally {
      this.#letPass();
    }
  }

  /** The client has died. */
  close(): void {
    this.#isClosed = true;
    this.#cuts = 0;
    this.#silence?.cancel();
    this.#letPass();
  }

  async #goOn(): Promise<void> {
    if (this.#hasLeft) {
      if (!this.#isExpired) this.#broker.unregisterConsumer(this.member);
    } else if (this.#isExpired) {
      this.#isExpired = false;
      this.#isReturning = true;
      await this.#broker.registerConsumer(this.member);
    } else {
      this.#client.dropLostQueues();
      this.#client.takeNewQueues();
    }
  }

  #letPass(): void {
    this.#isReturning = false;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
