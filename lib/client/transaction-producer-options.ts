import { describe, invalid } from "../options.js";
import type { ProducerOptions } from "./producer-options.js";
import type { LocalTransaction, TransactionCheck } from "./transaction-producer.js";

/** Options of a transaction producer. */
export interface TransactionProducerOptions<A = undefined> extends ProducerOptions {
  /** Runs the application's own transaction once the half message is stored. Needed for `sendInTransaction`, not for `beginTransaction`. */
  readonly executeLocalTransaction?: LocalTransaction<A> | undefined;
  /** Is asked what became of a transaction that was not ended, of this producer or another one of its group, in this process or one before it. */
  readonly checkLocalTransaction: TransactionCheck;
}

/** What a transaction producer works with, checked; and what is left for the producer that it sends with. */
export interface ResolvedTransactionOptions<A> {
  readonly execute: LocalTransaction<A> | undefined;
  readonly check: TransactionCheck;
  readonly producerOptions: ProducerOptions;
}

export function resolveTransactionProducerOptions<A>(
  options: TransactionProducerOptions<A>,
): ResolvedTransactionOptions<A> {
  if (typeof options !== "object" || options === null)
    throw invalid(`TransactionProducerOptions must be an object, got ${describe(options)}`);
  const { executeLocalTransaction, checkLocalTransaction, ...producerOptions } = options;
  if (executeLocalTransaction !== undefined && typeof executeLocalTransaction !== "function")
    throw invalid(`executeLocalTransaction must be a function, got ${describe(executeLocalTransaction)}`);
  if (typeof checkLocalTransaction !== "function")
    throw invalid(`checkLocalTransaction must be a function, got ${describe(checkLocalTransaction)}`);
  return { execute: executeLocalTransaction, check: checkLocalTransaction, producerOptions };
}
