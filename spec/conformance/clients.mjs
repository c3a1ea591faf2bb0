import { companyClient } from "./company-client.mjs";
import { goClient } from "./go-client.mjs";
import { javaClient } from "./java-client.mjs";
import { nodeClient } from "./node-client.mjs";
import { springBootClient } from "./spring-boot-client.mjs";

/**
 * Each client, what it needs, how its program is made and run, and the scenarios that it has to report: a scenario that nobody speaks of has failed.
 */
export const CLIENTS = [
  javaClient("java-4.9", "4.9.8"),
  javaClient("java-5.3", "5.3.3"),
  goClient(),
  nodeClient(),
  companyClient("java-5.3", "5.3.3"),
  springBootClient(),
];
