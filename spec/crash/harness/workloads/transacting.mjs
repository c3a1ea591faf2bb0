// Sends in transactions, in every way that there is: a half message, a transaction of the application's own in the same file, and its end, which may come from
// a check of this process or of another one.

import { setTimeout as pause } from "node:timers/promises";
import Database from "better-sqlite3";
import { nameOf } from "./sending.mjs";
import { TOPIC } from "./traffic.mjs";

/** Short enough that checks come while producers still work on it. */
export const TRANSACTION = { timeoutMs: 100, checkIntervalMs: 150, checkMax: 1_000_000 };
const LOCK_MS = 10_000;
const WAYS = ["local", "local", "several", "begun", "begun", "single", "transaction"];
/** Longer than until the first check. */
const MAX_LOCAL_MS = 160;
/** Longer than an interval. */
const MAX_ANSWER_MS = 250;

/** An application's own transactions: an effect is there, or was given up for good by whoever looked for it first. */
class Effects {
  #insert;
  #giveUp;
  #find;
  #begin;

  constructor(database) {
    const isGivenUp = database.prepare("SELECT 1 FROM crash_void WHERE name = ?").pluck();
    const insert = database.prepare("INSERT INTO crash_row (name) VALUES (?)");
    const giveUp = database.prepare("INSERT OR IGNORE INTO crash_void (name) VALUES (?)");
    this.#find = database.prepare("SELECT 1 FROM crash_row WHERE name = ?").pluck();
    this.#insert = (name) => {
      if (isGivenUp.get(name) === 1) return false;
      insert.run(name);
      return true;
    };
    this.#giveUp = (name) => {
      if (this.has(name)) return false;
      giveUp.run(name);
      return true;
    };
    this.#begin = (work) => database.transaction(work).immediate();
  }

  has(name) {
    return this.#find.get(name) === 1;
  }

  /** False: nobody waits for it any more. */
  make(name) {
    return this.#begin(() => this.#insert(name));
  }

  /** False: it is there. */
  giveUp(name) {
    return this.#begin(() => this.#giveUp(name));
  }
}

/** Tells apart what has an effect. */
function isTransacted(name) {
  return name.startsWith("t");
}

export async function setUpEffects({ database }) {
  for (;;) {
    try {
      database.exec("CREATE TABLE IF NOT EXISTS crash_void (name TEXT PRIMARY KEY) STRICT");
      return;
    } catch (error) {
      if (error.code !== "SQLITE_BUSY") throw error;
      await pause(5);
    }
  }
}

/** What one process sends with, and answers checks with. */
export class Transactor {
  #context;
  #effects;
  #producer;
  #last = 0;

  constructor(context) {
    this.#context = context;
    // Its own connection, as an application has one.
    this.#effects = new Effects(new Database(context.mq.database.name, { timeout: LOCK_MS }));
  }

  async start() {
    const { mq, tell } = this.#context;
    mq.on("transaction:checked", ({ transactionId, resolution }) => tell("checked", { transactionId, resolution }));
    this.#producer = mq.transactionProducer({
      group: "transactors",
      executeLocalTransaction: (message) => this.#execute(nameOf(message.text())),
      checkLocalTransaction: (message) => this.#check(nameOf(message.text())),
    });
    await this.#producer.start();
  }

  /** A message whose effect is not there is seen by nobody. */
  seen = (message) => {
    const name = nameOf(message.text());
    if (isTransacted(name) && !this.#effects.has(name)) this.#context.tell("unfounded", { name });
  };

  /** Makes the effect or does not, and says so, or not. */
  async #execute(name) {
    const { chance } = this.#context;
    if (chance.oneIn(4)) await pause(chance.below(MAX_LOCAL_MS));
    const isMade = !chance.oneIn(3) && this.#effects.make(name);
    if (chance.oneIn(6)) await pause(chance.below(MAX_LOCAL_MS));
    const says = chance.below(8);
    if (says === 0) throw new Error("fails on purpose");
    return says < 3 ? "unknown" : isMade ? "commit" : "rollback";
  }

  async #check(name) {
    const { chance, isDraining } = this.#context;
    if (!isDraining) {
      const says = chance.below(8);
      if (says === 0) throw new Error("fails on purpose");
      if (says < 3) return "unknown";
      if (says === 3) await pause(chance.below(MAX_ANSWER_MS));
    }
    return this.#effects.giveUp(name) ? "rollback" : "commit";
  }

  async sendUntilStopped() {
    const { chance, stop, mq } = this.#context;
    const sender = mq.producer({ group: "senders" });
    const insertRow = mq.database.prepare("INSERT INTO crash_row (name) VALUES (?)");
    const ways = {
      local: () => this.#local(),
      several: () => Promise.all(Array.from({ length: 6 }, () => this.#local())),
      begun: () => this.#begun(),
      single: () => this.#told("single", this.#name(""), async (message) => [await sender.send(message)]),
      transaction: () =>
        this.#told("transaction", this.#name(""), (message) =>
          mq.transaction(() => {
            insertRow.run(nameOf(message.body));
            return [this.#producer.sendSync(message)];
          }),
        ),
    };
    while (!stop.aborted) {
      await ways[chance.pick(WAYS)]();
      await pause(chance.below(6));
    }
  }

  #name(kind) {
    const { index, life } = this.#context;
    this.#last += 1;
    return `${kind}${index}-${life}-${this.#last}`;
  }

  #local() {
    return this.#told("local", this.#name("t"), async (message) => {
      const { localTransactionState } = await this.#producer.sendInTransaction(message);
      return outcomeOf(localTransactionState);
    });
  }

  #begun() {
    const { chance } = this.#context;
    return this.#told("local", this.#name("t"), async (message) => {
      const transaction = this.#producer.beginTransaction();
      await transaction.send(message);
      const isMade = !chance.oneIn(3) && this.#effects.make(nameOf(message.body));
      if (chance.oneIn(4)) await pause(chance.below(MAX_LOCAL_MS));
      if (chance.oneIn(4)) return outcomeOf("unknown");
      if (isMade) await transaction.commit();
      else await transaction.rollback();
      return outcomeOf(isMade ? "commit" : "rollback");
    });
  }

  /** @param send - resolves with the receipts, or with what is known of the message. */
  async #told(way, name, send) {
    const { tell, chance } = this.#context;
    const names = [name];
    tell("sending", { way, names });
    try {
      const body = chance.oneIn(25) ? `${name} ${"x".repeat(chance.between(1_000, 40_000))}` : name;
      const sent = await send({ topic: TOPIC, body });
      if (!Array.isArray(sent)) {
        tell(sent, { names, receipts: [] });
        return;
      }
      const receipts = sent.map(({ messageId, queueId, queueOffset }) => ({ messageId, queueId, queueOffset }));
      tell("sent", { names, receipts });
    } catch (error) {
      // Refused by a rule that says of the transaction nothing but that it has ended.
      if (error.code === "ERR_MQ_TRANSACTION") tell("open", { names });
      else if (error.code === undefined) throw error;
      else tell("refused", { way, names, code: error.code });
    }
  }
}

/** What it says of the message: it is there, it never will be, or somebody is asked for it. */
function outcomeOf(state) {
  return { commit: "sent", rollback: "undone", unknown: "open" }[state];
}

/** An effect is there if and only if its message is, and nobody saw a message without. */
export function* checkEffects({ journal, byName, rows }) {
  for (const { event, way, name, names } of journal.entries) {
    if (event === "unfounded") yield `visible: ${name} was delivered before its effect was there`;
    if (event !== "sending" || way !== "local") continue;
    const [sent] = names;
    if (rows.has(sent) !== byName.has(sent))
      yield `half done: the effect of ${sent} is ${rows.has(sent) ? "" : "not "}there, its message is ${byName.has(sent) ? "" : "not "}stored`;
  }
}
