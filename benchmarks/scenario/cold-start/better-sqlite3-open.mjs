import { writeSync } from "node:fs";
import Database from "better-sqlite3";

const database = new Database(":memory:");
writeSync(1, "!");
database.close();
