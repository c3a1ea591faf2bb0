// Opens a broker on a connection of its own to a locked file, and nothing else keeps it alive.
// node open-locked.mjs PATH
// Tells: waiting, opened

import Database from "better-sqlite3";
import { openBroker } from "../../../dist/esm/index.js";
import { tell } from "./crash-point.mjs";

const opening = openBroker({ database: new Database(process.argv[2], { timeout: 0 }) });
setImmediate(() => tell("waiting"));
await opening;
tell("opened");
