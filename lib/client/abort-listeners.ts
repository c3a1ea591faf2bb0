/**
 * Listens for aborts with one listener a signal, however many calls wait under it: Node warns about the eleventh listener of a signal, and one
 * signal for a burst of sends is nothing unusual.
 */
export class AbortListeners {
  readonly #callbacks = new Map<AbortSignal, Set<() => void>>();

  /** Calls `onAbort` once the signal aborts; the returned function ends that. */
  add(signal: AbortSignal, onAbort: () => void): () => void {
    const callbacks = this.#callbacks.get(signal) ?? this.#listen(signal);
    callbacks.add(onAbort);
    return () => {
      callbacks.delete(onAbort);
      if (callbacks.size === 0 && this.#callbacks.get(signal) === callbacks) this.#forget(signal);
    };
  }

  #listen(signal: AbortSignal): Set<() => void> {
    const callbacks = new Set<() => void>();
    this.#callbacks.set(signal, callbacks);
    signal.addEventListener("abort", this.#onAbort, { once: true });
    return callbacks;
  }

  #forget(signal: AbortSignal): void {
    this.#callbacks.delete(signal);
    signal.removeEventListener("abort", this.#onAbort);
  }

  readonly #onAbort = ({ target }: Event): void => {
    const callbacks = this.#callbacks.get(target as AbortSignal) ?? [];
    this.#callbacks.delete(target as AbortSignal);
    for (const onAbort of callbacks) onAbort();
  };
}
