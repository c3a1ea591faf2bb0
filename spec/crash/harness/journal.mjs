// What all processes of a slice told, in the order in which it was read.

import { writeFileSync } from "node:fs";

/** One life of one process. */
export class Life {
  /** Of all that it told the time of the last. */
  lastAt = 0;
  /** When it was surely not gone yet; `undefined` while it lives. */
  goneAt;
  clientIds = new Set();
  /** When it was stopped for long. */
  hungAt = [];
  #waiters = new Map();
  #told = new Set();

  constructor(index, life) {
    this.index = index;
    this.life = life;
  }

  entered({ event, at, clientId }) {
    this.lastAt = Math.max(this.lastAt, at);
    if (clientId !== undefined) this.clientIds.add(clientId);
    this.#told.add(event);
    for (const resolve of this.#waiters.get(event) ?? []) resolve();
    this.#waiters.delete(event);
  }

  hasTold(event) {
    return this.#told.has(event);
  }

  /** Resolves when it tells this, or at once when it has; never when it ends without. */
  tells(event) {
    if (this.hasTold(event)) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.set(event, [...(this.#waiters.get(event) ?? []), resolve]));
  }

  /** Nobody has heard of it for longer than its lease: what it had in hand may be somebody else's. */
  hung() {
    this.hungAt.push(this.lastAt);
  }

  /** @param killedAt - when it was told to die; one that died by itself at its named point may have been gone by then. */
  ended(killedAt) {
    this.goneAt = this.hasTold("reached") ? this.lastAt : Math.max(this.lastAt, killedAt ?? 0);
  }
}

export class Journal {
  /** Each with the life that told it. */
  entries = [];
  lives = [];

  begin(index) {
    const life = new Life(index, this.lives.length);
    this.lives.push(life);
    return life;
  }

  enter(life, entry) {
    this.entries.push({ ...entry, life });
    life.entered(entry);
  }

  count(event) {
    return this.entries.reduce((count, entry) => count + (entry.event === event ? 1 : 0), 0);
  }

  write(path) {
    const lines = this.entries.map(({ life, ...entry }) =>
      JSON.stringify({ process: life.index, life: life.life, ...entry }),
    );
    writeFileSync(path, `${lines.join("\n")}\n`);
  }
}
