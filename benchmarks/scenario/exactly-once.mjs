/**
 * Consuming what is stored with an effect in the database for each message, beside a push consumer that drains the same without: from `start()` until each had its effect
 * once and the progress is in the file. Both warm up on another file.
 */
import { drain } from "./drain.mjs";

export const exactlyOnce = {
  ...drain,
  name: "exactly-once",
  title: "100,000 with an effect in the database each",
  drivers: ["pocketmq-exactly-once", "pocketmq"],
};
