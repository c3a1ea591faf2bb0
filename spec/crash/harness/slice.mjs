// One slice: a store of its own, a workload on it, and so many kills; then everything is drained and looked at.

import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { checkHistory } from "../../../dist/esm/testing/index.js";
import { seededChance } from "./chance.mjs";
import { checkEnd } from "./end-checks.mjs";
import { readEndState } from "./end-state.mjs";
import { Journal } from "./journal.mjs";
import { listGone, toHistory } from "./journal-history.mjs";
import { endAsPlanned, planEnd } from "./lives.mjs";
import { closeStore, findDamage, findUndone, openStore, readOffsets } from "./store-state.mjs";
import { findWorkload } from "./workloads/all.mjs";

/** Nothing of a slice takes so long, on however busy a machine: what is not done then never will be. */
const DRAIN_MS = 60_000;
const CLOSE_MS = 20_000;
/** While others work on it the store is looked at after every so many kills; alone, after each. */
const KILLS_A_LOOK = 5;
/** Of so many kills one takes all processes. */
const KILLS_A_MASSACRE = 12;

export class Slice {
  moments = {};
  problems = [];
  kills = 0;
  /** Lives that were begun to be killed. */
  #begun = 0;
  #options;
  #workload;
  #chance;
  #journal = new Journal();
  #offsets = [];
  #running = new Map();
  #looking = Promise.resolve();
  #folder = realpathSync(mkdtempSync(join(tmpdir(), "pocketmq-crash-")));

  /** @param options - `pool`, `workload` (its name), `seed`, `kills`, and `sabotage` where the first process is to commit one. */
  constructor(options) {
    this.#options = options;
    this.#workload = findWorkload(options.workload);
    this.#chance = seededChance(options.seed);
  }

  get #path() {
    return join(this.#folder, "store.db");
  }

  /** @returns the line for the results file. */
  async run() {
    const started = performance.now();
    const { workload, seed } = this.#options;
    const { processes } = this.#workload;
    await Promise.all(Array.from({ length: processes }, (_, index) => this.#liveAndDie(index)));
    await this.#looking;
    if (this.problems.length === 0) await this.#drain();
    const end = (await this.#judge()) ?? {};
    const durationMs = Math.round(performance.now() - started);
    const summary = { workload, seed, processes, kills: this.kills, moments: this.moments, ...end, durationMs };
    if (this.problems.length === 0) rmSync(this.#folder, { recursive: true, force: true });
    else this.#journal.write(join(this.#folder, "journal.ndjson"));
    return { ...summary, problems: this.problems, ...(this.problems.length > 0 && { kept: this.#folder }) };
  }

  /** One process after the other, until all kills are made. */
  async #liveAndDie(index) {
    const { kills, pool } = this.#options;
    while (this.#begun < kills && this.problems.length === 0) {
      this.#begun += 1;
      const plan = planEnd(this.#chance, this.#workload);
      const { child, life } = this.#begin(pool.take(), index, { point: plan.point });
      const moment = await endAsPlanned(child, plan, life).catch((error) => {
        this.#report(`process ${index} ${error.message}`);
      });
      const { signal } = await this.#bury(index, child, life);
      this.moments[moment] = (this.moments[moment] ?? 0) + 1;
      if (signal === "SIGKILL") this.kills += 1;
      else this.#begun -= 1;
      if (this.#chance.oneIn(KILLS_A_MASSACRE)) for (const other of this.#running.values()) other.kill();
      const isAlone = this.#workload.processes === 1;
      if (isAlone || this.kills % KILLS_A_LOOK === 0) await this.#look();
    }
  }

  #begin(child, index, more) {
    const { workload, seed, sabotage } = this.#options;
    const life = this.#journal.begin(index);
    this.#running.set(index, child);
    const job = {
      ...{ path: this.#path, workload, process: index, life: life.life, isDraining: false },
      ...{ seed: seed + life.life * 7_919, synchronous: this.#chance.oneIn(4) ? "full" : "normal", sabotage, ...more },
    };
    child.begin(job, (entry) => this.#journal.enter(life, entry));
    return { child, life };
  }

  /** Nothing but a kill ends a process, or being told to close. */
  async #bury(index, child, life) {
    const end = await child.ended;
    this.#running.delete(index);
    life.ended(child.killedAt);
    const hasClosed = end.code === 0 && life.hasTold("closed");
    if (end.signal !== "SIGKILL" && !hasClosed)
      this.#report(`process ${index} ended by itself (${end.code ?? end.signal}): ${child.stderr}`);
    return end;
  }

  /** The store is opened by a process that finds what others left, one at a time. */
  #look() {
    this.#looking = this.#looking.then(() =>
      this.#withStore("looking at it", async (mq) => {
        for (const problem of await findDamage(mq)) this.#report(`after ${this.kills} kills: ${problem}`);
        this.#offsets.push(...(await readOffsets(mq, this.#workload, this.#clientIdOf)));
      }),
    );
    return this.#looking;
  }

  /** Processes that send nothing consume what is left, and are then told to end. */
  async #drain() {
    const children = Array.from({ length: this.#workload.processes }, (_, index) =>
      this.#begin(this.#options.pool.take(), index, { isDraining: true }),
    );
    await this.#withStore("draining it", async (mq) => {
      const deadline = Date.now() + DRAIN_MS;
      let undone = await findUndone(mq, this.#workload);
      while (undone.length > 0 && Date.now() < deadline) {
        await pause(20);
        undone = await findUndone(mq, this.#workload);
      }
      for (const what of undone) this.#report(`not drained: ${what}`);
    });
    await Promise.all(children.map(({ child, life }, index) => this.#close(child, life, index)));
  }

  async #close(child, life, index) {
    child.stop();
    const late = setTimeout(() => child.kill(), CLOSE_MS);
    const { signal } = await this.#bury(index, child, life);
    clearTimeout(late);
    if (signal === "SIGKILL") this.#report(`process ${index} did not close`);
  }

  async #judge() {
    return this.#withStore("judging it", async (mq) => {
      for (const problem of await findDamage(mq)) this.#report(`at the end: ${problem}`);
      this.#offsets.push(...(await readOffsets(mq, this.#workload, this.#clientIdOf)));
      const end = await readEndState(mq, this.#workload, this.#journal);
      for (const problem of checkEnd(end, this.#workload)) this.#report(problem);
      const history = toHistory(end, this.#workload);
      const rules = {
        broadcasting: this.#workload.broadcasting.map(({ group }) => group),
        ...{ duplicates: "forbidden", excuseGone: true },
        ordered: this.#workload.isOrderly === true ? [this.#workload.topic] : [],
        gone: listGone(this.#journal),
        offsets: this.#offsets,
      };
      for (const problem of checkHistory(history, rules)) this.#report(problem);
      const count = (event) => this.#journal.count(event);
      return {
        messages: {
          ...{ stored: end.messages.length, resolved: count("sent"), undone: count("undone") },
          ...{ delivered: count("delivered"), retried: count("retried"), deadLettered: count("dead-lettered") },
          ...(this.#workload.isTransacting === true && { checked: count("checked"), open: count("open") }),
        },
        events: history.length,
        refused: countRefusals(this.#journal),
        failing: count("failing"),
      };
    });
  }

  /** A store that cannot be opened or read is a problem, not the end of the harness. */
  async #withStore(what, work) {
    try {
      const mq = await openStore(this.#workload, this.#path);
      try {
        return await work(mq);
      } finally {
        await closeStore(this.#workload, mq);
      }
    } catch (error) {
      this.#report(`after ${this.kills} kills, ${what} failed: ${error.stack}`);
      return undefined;
    }
  }

  #report(problem) {
    this.problems.push(problem);
  }

  /** As the processes told it. */
  #clientIdOf = (instance) => {
    for (const { clientIds } of this.#journal.lives)
      for (const clientId of clientIds) if (clientId.endsWith(`@${instance}`)) return clientId;
    return undefined;
  };
}

/** By way and code. */
function countRefusals({ entries }) {
  const counts = {};
  for (const { event, way, code } of entries)
    if (event === "refused") counts[`${way} ${code}`] = (counts[`${way} ${code}`] ?? 0) + 1;
  return counts;
}
