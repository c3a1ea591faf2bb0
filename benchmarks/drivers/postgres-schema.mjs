/** What pg-boss and graphile-worker share: one database, a schema for each store, and the durability of each connection. */
import { basename } from "node:path";
import pg from "pg";
import { DATABASE_USER } from "../servers/postgres.mjs";

/** `off`: a commit is acknowledged before it is written; up to three times wal_writer_delay, 0.6 s, of them are lost when the server dies. */
const SYNCHRONOUS_COMMIT = { full: "on", normal: "off", off: "off" };

/** node-postgres' default, and both libraries': more connections made nothing faster on two cores. */
export const POOL_SIZE = 10;

/** Several stores of one trial, as one to warm up on, are schemas of one database. */
export const schemaOf = (path) => basename(path, ".db").replaceAll("-", "_");

export function connectionString({ port }, synchronous) {
  const options = encodeURIComponent(`-c synchronous_commit=${SYNCHRONOUS_COMMIT[synchronous]}`);
  return `postgres://${DATABASE_USER}@127.0.0.1:${port}/postgres?options=${options}`;
}

/** Rows as arrays, read over a connection of its own; `SCHEMA` in the query is the store's. */
export async function readRows(path, server, query) {
  const client = new pg.Client({ connectionString: connectionString(server, "full") });
  await client.connect();
  try {
    const { rows } = await client.query({ text: query.replaceAll("SCHEMA", schemaOf(path)), rowMode: "array" });
    return rows;
  } finally {
    await client.end();
  }
}

/** What autovacuum does within a minute: without it queries on a table that was filled at once are planned for an empty one. */
export function analyze(path, server) {
  return readRows(path, server, "VACUUM ANALYZE");
}
