/** Message queues that one flush writes to. */
export class Lanes {
  readonly #byTopic = new Map<string, Set<number>>();

  /** False when it was there already. */
  add(topic: string, queueId: number): boolean {
    const ofTopic = this.#byTopic.get(topic);
    if (ofTopic === undefined) {
      this.#byTopic.set(topic, new Set([queueId]));
      return true;
    }
    if (ofTopic.has(queueId)) return false;
    ofTopic.add(queueId);
    return true;
  }
}
