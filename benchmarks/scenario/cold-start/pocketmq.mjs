import { writeSync } from "node:fs";
import { openBroker } from "../../../dist/esm/index.js";

const broker = await openBroker({ path: process.argv[2], synchronous: process.argv[3] });
await broker.producer({ group: "cold" }).send({ topic: "cold", body: "first" });
writeSync(1, "!");
await broker.close();
