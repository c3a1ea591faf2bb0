// An error made by one build of the package must be recognised by the other.

import { createRequire } from "node:module";
import * as esm from "pocketmq";

const cjs = createRequire(import.meta.url)("pocketmq");
const recognised = [
  cjs.isMqError(new esm.MqError("ERR_MQ_CLOSED", "made by the ESM build"), "ERR_MQ_CLOSED"),
  esm.isMqError(new cjs.MqError("ERR_MQ_CLOSED", "made by the CommonJS build"), "ERR_MQ_CLOSED"),
  !esm.isMqError(new Error("made by somebody else")),
];
process.stdout.write(`${JSON.stringify({ twoBuilds: esm.MqError !== cjs.MqError, recognised })}\n`);
