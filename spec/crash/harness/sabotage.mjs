// Faults that a process commits on purpose: what the harness must find. `--sabotage NAME`

import Database from "better-sqlite3";

/** Changes what runs when a statement does that begins so. */
function replaceRun(beginning, replacement) {
  const { prepare } = Database.prototype;
  Database.prototype.prepare = function prepareSabotaged(source) {
    const statement = prepare.call(this, source);
    if (!source.startsWith(beginning)) return statement;
    const { run } = statement;
    statement.run = (...values) => replacement((...others) => run.apply(statement, others), values);
    return statement;
  };
}

const SABOTAGES = {
  /** Progress is stored beyond what was consumed. */
  "offset-too-far": (tell) => {
    replaceRun("INSERT INTO mq_consume_offset", (run, [group, topic, queueId, nextOffset]) =>
      run(group, topic, queueId, nextOffset + 1),
    );
    return tell;
  },
  /** Now and then progress is not stored: what was popped is handed out to somebody else as well. */
  "popped-twice": (tell) => {
    let times = 0;
    replaceRun("INSERT INTO mq_consume_offset", (run, values) => {
      times += 1;
      return times % 4 === 0 ? { changes: 1, lastInsertRowid: 1 } : run(...values);
    });
    return tell;
  },
  /** The copy of a failed message is not stored. */
  "lost-retry": (tell) => {
    replaceRun("INSERT INTO mq_due", () => ({ changes: 1, lastInsertRowid: 1 }));
    return tell;
  },
  /** A failed message is put off, but stays in its queue as well. */
  "kept-original": (tell) => {
    replaceRun("INSERT INTO mq_sent_back", () => ({ changes: 1, lastInsertRowid: 1 }));
    return tell;
  },
  /** A process knows of nobody else in its group, and takes each queue from whoever has it. */
  "seized-queues": (tell) => {
    const { prepare } = Database.prototype;
    let ownKey;
    Database.prototype.prepare = function prepareSeizing(source) {
      const statement = prepare.call(
        this,
        source.replace(
          /(INTO mq_claim.*) ON CONFLICT DO NOTHING/,
          "$1 ON CONFLICT DO UPDATE SET engine_key = excluded.engine_key",
        ),
      );
      if (source.startsWith("INSERT INTO mq_engine")) {
        const { run } = statement;
        statement.run = (engineKey, ...values) => {
          ownKey = engineKey;
          return run.call(statement, engineKey, ...values);
        };
      }
      if (/^SELECT .* FROM mq_member WHERE consumer_group/.test(source)) {
        const { all } = statement;
        const position = statement.columns().findIndex(({ name }) => name === "engine_key");
        statement.all = (group) => all.call(statement, group).filter((row) => row[position] === ownKey);
      }
      return statement;
    };
    return tell;
  },
  /** Now and then a message of a transaction is committed though the effect is not there. */
  "unfounded-commit": (tell) => {
    let times = 0;
    replaceRun("INSERT INTO crash_row", (run, values) => {
      if (!values[0].startsWith("t")) return run(...values);
      times += 1;
      return times % 4 === 0 ? { changes: 1, lastInsertRowid: 1 } : run(...values);
    });
    return tell;
  },
  /** Now and then a half message is not stored. */
  "lost-half": (tell) => {
    let times = 0;
    replaceRun("INSERT INTO mq_half", (run, values) => {
      times += 1;
      return times % 4 === 0 ? { changes: 1, lastInsertRowid: 1 } : run(...values);
    });
    return tell;
  },
  /** A transaction that has ended stays open: its end is stored again. */
  "kept-half": (tell) => {
    let times = 0;
    replaceRun("DELETE FROM mq_half", (run, values) => {
      times += 1;
      return times % 4 === 1 ? { changes: 1, lastInsertRowid: 1 } : run(...values);
    });
    return tell;
  },
  /** Now and then a key is not stored. */
  "lost-key": (tell) => {
    let times = 0;
    replaceRun("INSERT INTO mq_dedup (", (run, values) => {
      times += 1;
      return times % 3 === 0 ? { changes: 1, lastInsertRowid: 1 } : run(...values);
    });
    return tell;
  },
  /** Keys are taken from whoever has them. */
  "seized-keys": (tell) => {
    const { prepare } = Database.prototype;
    Database.prototype.prepare = function prepareSeizing(source) {
      if (!source.startsWith("INSERT INTO mq_dedup (")) return prepare.call(this, source);
      return prepare.call(this, source.replace(/WHERE expires_at <= \?$/, "WHERE expires_at <= 9 * ?"));
    };
    return tell;
  },
  /** Sends are said to be resolved before they are. */
  "early-receipt": (tell) => (event, data) => {
    if (event !== "sent") tell(event, data);
    if (event === "sending") tell("sent", { ...data, receipts: [] });
  },
  /** A message is said to be delivered to somebody else as well. */
  "told-twice": (tell) => (event, data) => {
    tell(event, data);
    if (event === "delivered") tell("delivered", { ...data, clientId: "somebody-else" });
  },
};

/** @returns what the workload tells with from now on. */
export function sabotage(name, tell) {
  const commit = SABOTAGES[name];
  if (commit === undefined) throw new Error(`no sabotage is called ${name}: ${Object.keys(SABOTAGES).join(", ")}`);
  return commit(tell);
}
