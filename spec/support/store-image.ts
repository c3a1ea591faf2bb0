import type Database from "better-sqlite3";

/** Everything that is in a database, as text. */
export function storeImage(database: Database.Database): string {
  const tables = database
    .prepare<[], { name: string; sql: string }>(
      "SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~' ORDER BY name",
    )
    .all();
  const parts = tables.map(({ name, sql }) => {
    const rows = database.prepare<[], unknown[]>(`SELECT * FROM ${name}`).raw().all();
    return `${sql}\n${rows.map((row) => row.map(textOf).join(", ")).join("\n")}`;
  });
  return parts.join("\n\n");
}

function textOf(value: unknown): string {
  return Buffer.isBuffer(value) ? value.toString("hex") : String(value);
}
