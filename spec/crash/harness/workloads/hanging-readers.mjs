// As `reading`, with processes that are stopped for longer than their lease and go on.

import { hanging } from "./hanging.mjs";
import { reading } from "./reading.mjs";

export const hangingReaders = {
  ...reading,
  name: "hanging-readers",
  hangsMs: hanging.hangsMs,
  open: hanging.open,
};
