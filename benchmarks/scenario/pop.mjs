/**
 * Receiving and acknowledging what is stored, beside a push consumer that drains the same: from `start()` until each was acknowledged once and that is in
 * the file. Both warm up on another file.
 */
import { drain } from "./drain.mjs";

export const pop = {
  ...drain,
  name: "pop",
  title: "100,000 received and acknowledged one by one",
  drivers: ["pocketmq-pop", "pocketmq"],
};
