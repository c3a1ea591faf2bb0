import type { BrokerPort, GroupMember } from "../broker/broker-port.js";
import type { MqError } from "../errors.js";
import { isSameTagExpression } from "../filter/tag-expression.js";

export interface PopMembershipOptions {
  readonly port: BrokerPort;
  readonly group: string;
  readonly clientId: string;
  /** Topic and tag expression. */
  readonly subscriptions: ReadonlyMap<string, string>;
  readonly strictSubscriptions: boolean;
  /** The broker can go on no longer, or has another member of this name. */
  readonly brokerFailed: (error: MqError) => void;
}

/** The part in its group of a consumer that shares messages and not queues. */
export class PopMembership {
  readonly #port: BrokerPort;
  readonly #subscriptions: Map<string, string>;
  readonly #member: GroupMember;
  #turn = 0;

  constructor({ port, group, clientId, subscriptions, strictSubscriptions, brokerFailed }: PopMembershipOptions) {
    this.#port = port;
    this.#subscriptions = new Map(subscriptions);
    this.#member = {
      clientId,
      group,
      messageModel: "clustering",
      consumeType: "pop",
      instance: undefined,
      subscriptions: this.#subscriptions,
      isStrict: strictSubscriptions,
      wantedQueues: [],
      dropLostQueues: nothing,
      takeNewQueues: nothing,
      brokerFailed,
    };
  }

  join(): Promise<void> {
    return this.#port.registerConsumer(this.#member);
  }

  leave(): void {
    this.#port.unregisterConsumer(this.#member);
  }

  /** Tells the broker its subscriptions. */
  tell(): void {
    this.#port.heartbeat(this.#member);
  }

  /** False: it is as it was. Throws, then too, what strict members forbid. */
  subscribe(topic: string, expression: string): boolean {
    const known = this.#subscriptions.get(topic);
    if (known !== undefined && isSameTagExpression(known, expression)) return false;
    this.#port.checkSubscriptions(this.#member, new Map(this.#subscriptions).set(topic, expression));
    this.#subscriptions.set(topic, expression);
    return true;
  }

  /** As {@link PopMembership.subscribe}. */
  unsubscribe(topic: string): boolean {
    if (!this.#subscriptions.has(topic)) return false;
    const left = [...this.#subscriptions].filter(([subscribed]) => subscribed !== topic);
    this.#port.checkSubscriptions(this.#member, new Map(left));
    return this.#subscriptions.delete(topic);
  }

  /** All topics, each time beginning with the next one. */
  takeTurn(): readonly { readonly topic: string; readonly expression: string }[] {
    const topics = [...this.#subscriptions].map(([topic, expression]) => ({ topic, expression }));
    const first = this.#turn % Math.max(1, topics.length);
    this.#turn = first + 1;
    return [...topics.slice(first), ...topics.slice(0, first)];
  }
}

function nothing(): void {
  // It has no queues.
}
