/** Rivals that were tried and do not run here, and why: printed with those that are skipped. */
export const LEFT_OUT = {
  // liteque 0.8.0, drizzle-orm 0.33.0: the error is better-sqlite3's "Transaction function cannot return a promise".
  liteque: "better-sqlite3 12 refuses the transactions of its runner, which return promises",
};
