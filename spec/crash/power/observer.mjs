// Opens what a power cut left, as an application would.

import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bodyOf } from "./bodies.mjs";
import { digestOf, readContent } from "./content.mjs";
import { StandingClock } from "./standing-clock.mjs";
import { TOPIC } from "./workload-run.mjs";

const PATH = "store.db";
/** Shared memory does not outlive the power; a run before this one may have left its own. */
const FILES = [PATH, `${PATH}-wal`, `${PATH}-journal`, `${PATH}-shm`];

export class Observer {
  #folder;
  #workload;
  #synchronous;
  #contents = new Map();

  constructor(folder, workload, synchronous) {
    this.#folder = folder;
    this.#workload = workload;
    this.#synchronous = synchronous;
  }

  /**
   * Opens the files with a broker. `problems`: it did not open, SQLite or the broker found damage, or a message cannot be sent. `digest` and `content`
   * are what is in the store after opening; stores with the same rows share one content.
   */
  async observe(files) {
    this.#lay(files);
    const logged = [];
    const log = (level) => (text) => logged.push(`${level}: ${text}`);
    const logger = { debug: () => undefined, info: () => undefined, warn: log("warn"), error: log("error") };
    let opened;
    try {
      const path = join(this.#folder, PATH);
      const clock = new StandingClock();
      opened = await this.#workload.open({ path, synchronous: this.#synchronous, seed: 1, clock, logger });
      const { mq } = opened;
      const problems = [...findDamage(mq.database), ...(await mq.admin.checkStore()).problems];
      if (problems.length > 0) return { problems };
      const digest = digestOf(mq.database);
      if (!this.#contents.has(digest)) this.#contents.set(digest, await readContent(mq, this.#workload));
      await proveUsable(mq);
      return { problems: logged, digest, content: this.#contents.get(digest) };
    } catch (error) {
      return { problems: [`${error.code ?? error.name}: ${error.message.replaceAll(`${this.#folder}/`, "")}`] };
    } finally {
      await opened?.close();
    }
  }

  #lay(files) {
    for (const name of FILES) rmSync(join(this.#folder, name), { force: true });
    for (const [name, bytes] of files) writeFileSync(join(this.#folder, name), bytes);
  }
}

function findDamage(database) {
  const found = database.pragma("integrity_check").map(({ integrity_check: text }) => text);
  return found.filter((text) => text !== "ok").map((text) => `integrity_check: ${text}`);
}

async function proveUsable(mq) {
  const { queueId, queueOffset } = mq
    .producer({ group: "provers" })
    .sendSync({ topic: TOPIC, body: bodyOf("proof", 10) });
  const stats = await mq.admin.topicStats(TOPIC);
  const { maxOffset } = stats.find(({ queue }) => queue.queueId === queueId);
  if (maxOffset !== queueOffset + 1)
    throw new Error(`a message sent to offset ${queueOffset} ends its queue at ${maxOffset}`);
}
