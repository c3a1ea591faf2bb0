import { writeSync } from "node:fs";
import "better-sqlite3";

writeSync(1, "!");
