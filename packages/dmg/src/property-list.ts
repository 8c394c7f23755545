/**
 * Property lists in XML, as far as disk images need them. Nothing is ever expanded: text is handed
 * out as it stands in the file, entities that a document defines are refused with it.
 */
import { markupText, type Tag, TagReader } from '@diskfile/core';
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
    return markupText(this.bytes);
  }
}

/** @throws DiskError `corrupt` when the bytes are no property list */
export function parsePropertyList(bytes: Uint8Array): PropertyValue {
  const reader = new TagReader(bytes, broken);
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

function broken(reason: string): Error {
  return corrupt('dmg.property-list', `The property list is broken: ${reason}`);
}
