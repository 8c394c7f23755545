/**
 * Records of a pax extended header (POSIX.1-2017, pax, "pax Header Block"), made as bytes: values
 * of extended attributes and names in old encodings are no text.
 */
import { encodeName } from '@diskfile/bytes';

const SPACE = 0x20;
const EQUALS = 0x3d;
const NEWLINE = 0x0a;

export class PaxRecords {
  readonly #records: Uint8Array[] = [];

  get isEmpty(): boolean {
    return this.#records.length === 0;
  }

  /** Text is a guest name or a number; lone surrogates become the bytes they stand for. */
  add(keyword: string, value: string | Uint8Array): void {
    const key = encodeName(keyword);
    const bytes = typeof value === 'string' ? encodeName(value) : value;
    const rest = key.length + bytes.length + 3;
    const length = encodeName(String(lengthWithItself(rest)));
    const record = new Uint8Array(length.length + rest);
    let at = 0;
    const put = (part: ArrayLike<number>): void => {
      record.set(part, at);
      at += part.length;
    };
    for (const part of [length, [SPACE], key, [EQUALS], bytes, [NEWLINE]]) put(part);
    this.#records.push(record);
  }

  encode(): Uint8Array {
    return Buffer.concat(this.#records);
  }
}

/** The length counts its own digits. */
function lengthWithItself(rest: number): number {
  let length = rest + String(rest).length;
  if (String(length).length !== String(rest).length) length = rest + String(length).length;
  return length;
}
