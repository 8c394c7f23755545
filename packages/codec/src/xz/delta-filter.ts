/** Differences between bytes that are some way apart (".xz file format", section 5.3.3). */
import { brokenXz } from './broken-xz.ts';
import type { Filter } from './filter.ts';

export const DELTA_ID = 0x03;

export class DeltaFilter implements Filter {
  /** The last bytes, as many as the distance is long, in a ring. */
  readonly #history: Uint8Array;
  #at = 0;

  /** @param properties the distance less one */
  constructor(properties: Uint8Array) {
    if (properties.length !== 1) throw brokenXz('a filter has properties that it cannot have');
    this.#history = new Uint8Array(properties[0]! + 1);
  }

  decode(bytes: Uint8Array): number {
    const history = this.#history;
    let at = this.#at;
    for (let index = 0; index < bytes.length; index++) {
      const value = (bytes[index]! + history[at]!) & 0xff;
      bytes[index] = history[at] = value;
      at = at + 1 === history.length ? 0 : at + 1;
    }
    this.#at = at;
    return bytes.length;
  }
}
