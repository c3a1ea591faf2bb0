/** One trial in a process of its own: `node child.mjs JSON`. Answers over the IPC channel. */
import { SCENARIOS } from "../scenario/all.mjs";

const { scenario: name, driverName, ...trial } = JSON.parse(process.argv[2]);
const scenario = SCENARIOS.find((candidate) => candidate.name === name);
const driver = await import(`../drivers/${driverName}.mjs`);
const figures = await scenario.run({ ...trial, driver });
process.send(figures);
process.disconnect();
