/**
 * Reads the tags of an XML document, as far as descriptors of disks need that. Nothing is ever
 * expanded: a document that defines entities is refused, attributes are passed over.
 */
import { decodeName } from '@diskfile/bytes';

export interface Tag {
  readonly kind: 'open' | 'close' | 'empty';
  readonly name: string;
}

const LESS = 0x3c;
const GREATER = 0x3e;
const SLASH = 0x2f;
const QUESTION = 0x3f;
const EXCLAMATION = 0x21;
const BRACKET = 0x5b;
const MAX_TAG_BYTES = 256;
const COMMENT = '!--';

export class TagReader {
  readonly #bytes: Uint8Array;
  readonly #broken: (reason: string) => Error;
  #at = 0;

  /** @param broken makes what is thrown when the bytes are no markup */
  constructor(bytes: Uint8Array, broken: (reason: string) => Error) {
    this.#bytes = bytes;
    this.#broken = broken;
  }

  /** The next tag; text before it, the declaration and comments are skipped. */
  next(): Tag {
    for (;;) {
      const start = this.#bytes.indexOf(LESS, this.#at);
      if (start === -1) throw this.#broken('it ends too early');
      this.#at = start + 1;
      const first = this.#bytes[this.#at];
      if (first === QUESTION) this.#skipPast('?>');
      else if (first === EXCLAMATION) this.#skipMarkup();
      else return this.#readTag();
    }
  }

  /** What stands before the next tag. */
  textUpToTag(): Uint8Array {
    const start = this.#at;
    const end = this.#bytes.indexOf(LESS, start);
    if (end === -1) throw this.#broken('it ends too early');
    this.#at = end;
    return this.#bytes.subarray(start, end);
  }

  #readTag(): Tag {
    const isClosing = this.#bytes[this.#at] === SLASH;
    const start = isClosing ? this.#at + 1 : this.#at;
    const end = this.#bytes.indexOf(GREATER, start);
    if (end === -1 || end - start > MAX_TAG_BYTES) throw this.#broken('a tag has no end');
    const isEmpty = !isClosing && this.#bytes[end - 1] === SLASH;
    this.#at = end + 1;
    const text = decodeName(this.#bytes.subarray(start, isEmpty ? end - 1 : end));
    const [name = ''] = text.split(/\s/, 1);
    return { kind: isClosing ? 'close' : isEmpty ? 'empty' : 'open', name };
  }

  /** A comment, or the document's type, which says nothing as long as it defines nothing. */
  #skipMarkup(): void {
    const end = this.#at + COMMENT.length;
    if (decodeName(this.#bytes.subarray(this.#at, end)) === COMMENT) return this.#skipPast('-->');
    const start = this.#at;
    this.#skipPast('>');
    if (this.#bytes.subarray(start, this.#at).includes(BRACKET)) {
      throw this.#broken('it defines what it consists of');
    }
  }

  #skipPast(end: string): void {
    const last = end.length - 1;
    for (let at = this.#at; ; at++) {
      at = this.#bytes.indexOf(GREATER, at);
      if (at === -1) throw this.#broken('it ends too early');
      const from = at - last;
      if (from >= this.#at && decodeName(this.#bytes.subarray(from, at + 1)) === end) {
        this.#at = at + 1;
        return;
      }
    }
  }
}

const ENTITIES: Readonly<Record<string, string>> = {
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  amp: '&',
};

/** Text between tags, its predefined entities resolved. */
export function markupText(bytes: Uint8Array): string {
  return decodeName(bytes).replaceAll(/&(lt|gt|quot|apos|amp);/g, (_, name: string) => {
    return ENTITIES[name]!;
  });
}
