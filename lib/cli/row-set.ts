const BITS = 8;

/** Numbers from 0 on, a bit each: shows which rows came twice in 1 MB for eight million of them. */
export class RowSet {
  #bytes = new Uint8Array(1_024);
  #size = 0;

  /** How many different rows there are. */
  get size(): number {
    return this.#size;
  }

  has(row: number): boolean {
    return ((this.#bytes[Math.floor(row / BITS)] ?? 0) & (1 << (row % BITS))) !== 0;
  }

  /** False when the row was there before. */
  add(row: number): boolean {
    const index = Math.floor(row / BITS);
    if (index >= this.#bytes.length) this.#grow(index);
    const byte = this.#bytes[index] as number;
    const bit = 1 << (row % BITS);
    if ((byte & bit) !== 0) return false;
    this.#bytes[index] = byte | bit;
    this.#size += 1;
    return true;
  }

  #grow(index: number): void {
    const bytes = new Uint8Array(2 ** Math.ceil(Math.log2(index + 1)));
    bytes.set(this.#bytes);
    this.#bytes = bytes;
  }
}
