/** The tables of one file's block map that are in memory, newest last. */

/** Enough for a file that is read in several places at once; tables may be 64 KiB each. */
const MAX_KEPT_TABLES = 32;

export class KeptTables<T> {
  readonly #tables = new Map<number, T>();

  get(block: number): T | undefined {
    const table = this.#tables.get(block);
    if (table === undefined) return undefined;
    this.#tables.delete(block);
    this.#tables.set(block, table);
    return table;
  }

  set(block: number, table: T): void {
    this.#tables.delete(block);
    this.#tables.set(block, table);
    if (this.#tables.size <= MAX_KEPT_TABLES) return;
    for (const oldest of this.#tables.keys()) {
      this.#tables.delete(oldest);
      return;
    }
  }
}
