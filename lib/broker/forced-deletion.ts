/** RocketMQ's log is in files of so many bytes, which are deleted as a whole. Source: RocketMQ, `MessageStoreConfig.java`, `mappedFileSizeCommitLog`. */
const FILE_BYTES = 1024 * 1024 * 1024;
/** Source: the same, `deleteFileBatchMax`. */
const FILES_A_RUN = 10;

/**
 * Up to which position a log is deleted, although it is not old enough, so that so much less is in use; in steps of RocketMQ's files, of which the newest stays. So a
 * store of less than a gibibyte loses nothing, whoever filled its disk.
 *
 * Source: RocketMQ, `store/.../MappedFileQueue.java`, `deleteExpiredFileByTime`, which deletes ten files even where one is enough.
 *
 * @param begin - of the oldest message that is left.
 */
export function forciblyDeletedUpTo(begin: number, end: number, excessBytes: number): number {
  const first = Math.floor(begin / FILE_BYTES);
  const newest = Math.floor(end / FILE_BYTES);
  const files = Math.min(FILES_A_RUN, Math.ceil(excessBytes / FILE_BYTES));
  return Math.min(first + files, newest) * FILE_BYTES;
}
