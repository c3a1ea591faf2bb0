/** The layouts that are compared, in the order of the tables. */
import { Blocks, ClusteredBlocks, CommitBlobs, SmallBlocks, UnindexedBlocks } from "./block-layouts.mjs";
import { LateIndexBlocks } from "./late-index-blocks.mjs";
import {
  BareAppend,
  ClusteredRows,
  ElevenColumnRows,
  FiveColumnRows,
  ManyRowsAStatement,
  RandomKeyRows,
} from "./row-layouts.mjs";

export const LAYOUTS = {
  A: { what: "one row a message: time, body; no index (the floor, cannot be read by queue)", type: BareAppend },
  B: { what: "one row a message, 11 columns, unique (queue, offset)", type: ElevenColumnRows },
  C: { what: "one row a message, 5 columns with packed properties, unique (queue, offset)", type: FiveColumnRows },
  D: { what: "C, inserted 64 rows a statement", type: ManyRowsAStatement },
  E: { what: "C with an index on one random user key a message", type: RandomKeyRows },
  F: { what: "C without rowid, clustered by (queue, offset), unique commit log offset", type: ClusteredRows },
  G: { what: "one blob a (commit, queue), at most 256 KiB; unique (queue, first offset)", type: Blocks },
  G32: { what: "G with blobs of at most 32 KiB", type: SmallBlocks },
  H: {
    what: "blocks of G without rowid, clustered by (queue, first offset), unique commit log offset",
    type: ClusteredBlocks,
  },
  I: { what: "one blob a commit, consume queue in a clustered table beside it", type: CommitBlobs },
  J: {
    what: "table of G; its index is a table written late, 8,192 blocks behind, whole queues together",
    type: LateIndexBlocks,
  },
  G0: { what: "G without its index (what the index costs; cannot be read by queue)", type: UnindexedBlocks },
};

export const isWriteOnly = (layout) => LAYOUTS[layout].type.writeOnly === true;
/** Blocks put the records of one queue side by side, which moves a record within its commit. */
export const groupsByQueue = (layout) => /^[GHIJ]/.test(layout);
