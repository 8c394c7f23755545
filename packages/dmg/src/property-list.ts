/**
 * Property lists in XML, as far as disk images need them. Nothing is ever expanded: text is handed
 * out as it stands in the file, entities that a document defines are refused with it.
 */
import { decodeName } from '@diskfile/bytes';
import { corrupt } from './refusals.ts';

/** Deeper than any image has it. */
const MAX_DEPTH = 16;
/** Values of all kinds in one list. */
const MAX_VALUES = 100_000;
/** Keys and strings; data may be longer. */
const MAX_TEXT_BYTES = 4096;

export type PropertyValue = PropertyDict | PropertyValue[] | PropertyText;
export type PropertyDict = Map<string, PropertyValue>;

/** What stands between the tags of a `string`, `data`, `integer` … */
export class PropertyText {
  readonly tag: string;
  readonly bytes: Uint8Array;

  constructor(tag: string, bytes: Uint8Array) {
    this.tag = tag;
    this.bytes = bytes;
  }

  /** The text with its predefined entities resolved. */
  get text(): string {
    if (this.bytes.length > MAX_TEXT_BYTES) throw broken('a text is too long');
    return decodeName(this.bytes).replaceAll(/&(lt|gt|quot|apos|amp);/g, (_, name: string) => {
      return ENTITIES[name]!;
    });
  }
}

const ENTITIES: Readonly<Record<string, string>> = {
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  amp: '&',
};

/** @throws DiskError `corrupt` when the bytes are no property list */
export function parsePropertyList(bytes: Uint8Array): PropertyValue {
  const reader = new TagReader(bytes);
  const root = reader.next();
  if (root.name !== 'plist' || root.kind !== 'open') throw broken('it has no plist element');
  const value = new ListParser(reader).parse(reader.next(), 0);
  const end = reader.next();
  if (end.name !== 'plist' || end.kind !== 'close') throw broken('it holds more than one value');
  return value;
}

class ListParser {
  readonly #reader: TagReader;
  #values = 0;

  constructor(reader: TagReader) {
    this.#reader = reader;
  }

  /** The value that a tag begins. */
  parse(tag: Tag, depth: number): PropertyValue {
    this.#values += 1;
    if (this.#values > MAX_VALUES) throw broken('it holds too many values');
    if (depth > MAX_DEPTH) throw broken('it is nested too deeply');
    if (tag.kind === 'close') throw broken('a value is missing');
    if (tag.name === 'dict') return tag.kind === 'empty' ? new Map() : this.#parseDict(depth);
    if (tag.name === 'array') return tag.kind === 'empty' ? [] : this.#parseArray(depth);
    if (tag.kind === 'empty') return new PropertyText(tag.name, new Uint8Array(0));
    return this.#parseText(tag.name);
  }

  #parseDict(depth: number): PropertyDict {
    const dict: PropertyDict = new Map();
    for (;;) {
      const tag = this.#reader.next();
      if (tag.kind === 'close' && tag.name === 'dict') return dict;
      if (tag.kind !== 'open' || tag.name !== 'key') throw broken('a key is missing');
      const key = this.#parseText('key').text;
      dict.set(key, this.parse(this.#reader.next(), depth + 1));
    }
  }

  #parseArray(depth: number): PropertyValue[] {
    const values: PropertyValue[] = [];
    for (;;) {
      const tag = this.#reader.next();
      if (tag.kind === 'close' && tag.name === 'array') return values;
      values.push(this.parse(tag, depth + 1));
    }
  }

  #parseText(name: string): PropertyText {
    const bytes = this.#reader.textUpToTag();
    const end = this.#reader.next();
    if (end.kind !== 'close' || end.name !== name) throw broken(`a ${name} has no end`);
    return new PropertyText(name, bytes);
  }
}

interface Tag {
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

class TagReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** The next tag; text before it, the declaration and comments are skipped. */
  next(): Tag {
    for (;;) {
      const start = this.#bytes.indexOf(LESS, this.#at);
      if (start === -1) throw broken('it ends too early');
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
    if (end === -1) throw broken('it ends too early');
    this.#at = end;
    return this.#bytes.subarray(start, end);
  }

  #readTag(): Tag {
    const isClosing = this.#bytes[this.#at] === SLASH;
    const start = isClosing ? this.#at + 1 : this.#at;
    const end = this.#bytes.indexOf(GREATER, start);
    if (end === -1 || end - start > MAX_TAG_BYTES) throw broken('a tag has no end');
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
      throw broken('it defines what it consists of');
    }
  }

  #skipPast(end: string): void {
    const last = end.length - 1;
    for (let at = this.#at; ; at++) {
      at = this.#bytes.indexOf(GREATER, at);
      if (at === -1) throw broken('it ends too early');
      const from = at - last;
      if (from >= this.#at && decodeName(this.#bytes.subarray(from, at + 1)) === end) {
        this.#at = at + 1;
        return;
      }
    }
  }
}

function broken(reason: string): Error {
  return corrupt('dmg.property-list', `The property list is broken: ${reason}`);
}
