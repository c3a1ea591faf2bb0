import { writeSync } from "node:fs";
import Database from "better-sqlite3";
import { better, defineQueue } from "plainjob";

const database = new Database(process.argv[2]);
const queue = defineQueue({ connection: better(database), logger: { ...console, debug: () => undefined } });
database.pragma(`synchronous = ${process.argv[3]}`);
queue.add("cold", "first");
writeSync(1, "!");
queue.close();
