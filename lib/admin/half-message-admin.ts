import type { LocalBroker } from "../broker/local-broker.js";
import { findMessage } from "../broker/recall.js";
import { MqError } from "../errors.js";
import { sizeAt } from "../message/record.js";
import { GIVEN_UP_TOPIC } from "../message/system-topics.js";
import { describe, invalid, refuseUnknownOptions } from "../options.js";
import type { HalfHead } from "../store/half-table.js";
import type { HalfMessageInfo } from "./admin.js";

/** What one read lists. */
const HALVES_A_READ = 1_000;
/** Of up to 1 MiB each. */
const BLOCKS_A_READ = 10;

/** What operators see and do of transactions that are open. */
export class HalfMessageAdmin {
  readonly #broker: LocalBroker;

  constructor(broker: LocalBroker) {
    this.#broker = broker;
  }

  async list(options: { readonly producerGroup?: string | undefined }): Promise<readonly HalfMessageInfo[]> {
    refuseUnknownOptions("listHalfMessages", options, ["producerGroup"]);
    const { producerGroup } = options;
    if (producerGroup !== undefined) checkText("listHalfMessages: producerGroup", producerGroup);
    const infos: HalfMessageInfo[] = [];
    for await (const half of this.#halves())
      if (producerGroup === undefined || half.producerGroup === producerGroup) infos.push(this.#toInfo(half));
    return infos;
  }

  async resolve(transactionId: string, resolution: "commit" | "rollback"): Promise<void> {
    checkText("resolveHalfMessage: transactionId", transactionId);
    if (resolution !== "commit" && resolution !== "rollback")
      throw invalid(`resolveHalfMessage: resolution must be "commit" or "rollback", got ${describe(resolution)}`);
    if (await this.#resolveOpen(transactionId, resolution)) return;
    const givenUp = resolution === "commit" ? await this.#findGivenUp(transactionId) : undefined;
    if (givenUp === undefined)
      throw new MqError(
        "ERR_MQ_TRANSACTION",
        `there is no half message of transaction ${transactionId}: it has ended, or was given up`,
      );
    const { engine } = this.#broker;
    await engine.write(() => engine.halves.sendGivenUp(givenUp));
  }

  async #resolveOpen(transactionId: string, resolution: "commit" | "rollback"): Promise<boolean> {
    for await (const half of this.#halves())
      if (half.transactionId === transactionId && (await this.#broker.transactions.resolve(half, resolution)))
        return true;
    return false;
  }

  /** In the order in which they were stored; one that a check moves to the end meanwhile may come twice. */
  async *#halves(): AsyncGenerator<HalfHead> {
    const { reads, store } = this.#broker.engine;
    for (let after = -1; ; ) {
      const halves = await reads.read(() => store.halves.listAfter(after, HALVES_A_READ));
      yield* halves;
      const last = halves.at(-1);
      if (last === undefined || halves.length < HALVES_A_READ) return;
      after = last.halfOffset;
    }
  }

  async #findGivenUp(transactionId: string): Promise<Buffer | undefined> {
    const { reads, store, queues } = this.#broker.engine;
    let newest: Buffer | undefined;
    for (let after = -1; ; ) {
      const blocks = await reads.read(() =>
        store.log.listAfter(queues.get(GIVEN_UP_TOPIC, 0).queueKey, after, BLOCKS_A_READ),
      );
      // The last one that is found is the newest.
      for (const block of blocks) {
        const found = findMessage([block], transactionId);
        if (found === undefined) continue;
        const { position } = found;
        newest = Buffer.from(block.records.subarray(position, position + sizeAt(block.records, position)));
      }
      const last = blocks.at(-1);
      if (last === undefined || blocks.length < BLOCKS_A_READ) return newest;
      after = last.firstOffset;
    }
  }

  #toInfo(half: HalfHead): HalfMessageInfo {
    const { transactionId, topic, producerGroup, bornTimestamp, checks } = half;
    const nextCheckAt = this.#broker.engine.halves.checks.nextCheckAt(half);
    return { transactionId, messageId: transactionId, topic, producerGroup, bornTimestamp, checks, nextCheckAt };
  }
}

function checkText(name: string, value: unknown): void {
  if (typeof value !== "string" || value === "") throw invalid(`${name} must be a string, got ${describe(value)}`);
}
