/**
 * JSON as QEMU takes it in names of disks: strings in single quotes as well, no key twice, and only
 * so deep. Images and command lines carry such text, so all of it is bounded.
 */
import { DiskError } from '@diskfile/bytes';

export type JsonValue = string | number | boolean | null | JsonObject | readonly JsonValue[];
export interface JsonObject {
  readonly [key: string]: JsonValue;
}

const MAX_TEXT_LENGTH = 1024 * 1024;
const MAX_DEPTH = 64;

/**
 * @returns objects without a prototype
 * @throws DiskError `invalid-argument` (`json.syntax`), worded as QEMU does
 */
export function parseLooseJson(text: string): JsonValue {
  if (text.length > MAX_TEXT_LENGTH) throw syntax('JSON token size limit exceeded');
  const parser = new LooseJsonParser(text);
  return parser.whole();
}

export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const TOKEN = /[ \t\r\n]*(?:([{}[\],:])|(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?)|([a-z]+))/y;
const BLANK = /[ \t\r\n]*/y;
const SHORT_ESCAPES: Readonly<Record<string, string>> = {
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
};
const KEYWORDS = new Map<string, JsonValue>([
  ['true', true],
  ['false', false],
  ['null', null],
]);

/** A mark of punctuation, or a value. */
type Token = { readonly mark: string } | { readonly value: JsonValue };

class LooseJsonParser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  whole(): JsonValue {
    if (this.#isAtEnd()) throw syntax('Expecting a JSON value');
    const value = this.#value(this.#next(), 0);
    if (!this.#isAtEnd()) throw syntax('Expecting at most one JSON value');
    return value;
  }

  #isAtEnd(): boolean {
    BLANK.lastIndex = this.#at;
    BLANK.exec(this.#text);
    return BLANK.lastIndex === this.#text.length;
  }

  #next(): Token {
    if (this.#isAtEnd()) throw syntax('JSON parse error, premature EOI');
    BLANK.lastIndex = this.#at;
    BLANK.exec(this.#text);
    const quote = this.#text[BLANK.lastIndex]!;
    if (quote === '"' || quote === "'") {
      this.#at = BLANK.lastIndex;
      return { value: this.#string(quote) };
    }
    TOKEN.lastIndex = this.#at;
    const match = TOKEN.exec(this.#text);
    if (match === null) throw stray(this.#text.slice(BLANK.lastIndex));
    this.#at = TOKEN.lastIndex;
    const [, mark, number, word] = match;
    if (mark !== undefined) return { mark };
    if (number !== undefined) return { value: Number(number) };
    const value = KEYWORDS.get(word!);
    if (value === undefined) throw syntax(`JSON parse error, invalid keyword '${word}'`);
    return { value };
  }

  #string(quote: string): string {
    const start = this.#at;
    let read = '';
    for (let at = start + 1; at < this.#text.length; at++) {
      const char = this.#text[at]!;
      if (char === quote) {
        this.#at = at + 1;
        return read;
      }
      if (char < ' ') break;
      if (char !== '\\') {
        read += char;
        continue;
      }
      at += 1;
      const escaped = this.#text[at] ?? '';
      if (escaped !== 'u') {
        read += unescaped(escaped);
        continue;
      }
      const digits = /^[0-9a-fA-F]{4}/.exec(this.#text.slice(at + 1, at + 5))?.[0];
      if (digits === undefined) throw badEscape();
      read += String.fromCharCode(parseInt(digits, 16));
      at += 4;
    }
    throw stray(this.#text.slice(start));
  }

  #value(token: Token, depth: number): JsonValue {
    if ('value' in token) return token.value;
    if (depth >= MAX_DEPTH) throw syntax('JSON nesting depth limit exceeded');
    if (token.mark === '{') return this.#object(depth);
    if (token.mark === '[') return this.#array(depth);
    throw syntax('JSON parse error, expecting value');
  }

  #object(depth: number): JsonObject {
    const object = Object.create(null) as Record<string, JsonValue>;
    for (let token = this.#next(), first = true; ; token = this.#next(), first = false) {
      if (first && isMark(token, '}')) return object;
      const key = this.#value(token, depth + 1);
      if (typeof key !== 'string') throw syntax('JSON parse error, key is not a string in object');
      if (!isMark(this.#next(), ':')) throw syntax('JSON parse error, missing : in object pair');
      const value = this.#value(this.#next(), depth + 1);
      if (key in object) throw syntax('JSON parse error, duplicate key');
      object[key] = value;
      const separator = this.#next();
      if (isMark(separator, '}')) return object;
      if (!isMark(separator, ',')) throw syntax('JSON parse error, expected separator in dict');
    }
  }

  #array(depth: number): readonly JsonValue[] {
    const array: JsonValue[] = [];
    for (let token = this.#next(); ; token = this.#next()) {
      if (array.length === 0 && isMark(token, ']')) return array;
      array.push(this.#value(token, depth + 1));
      const separator = this.#next();
      if (isMark(separator, ']')) return array;
      if (!isMark(separator, ',')) throw syntax('JSON parse error, expected separator in list');
    }
  }
}

function isMark(token: Token, mark: string): boolean {
  return 'mark' in token && token.mark === mark;
}

function unescaped(char: string): string {
  if (char !== '' && `"'\\/`.includes(char)) return char;
  const control = SHORT_ESCAPES[char];
  if (control === undefined) throw badEscape();
  return control;
}

function badEscape(): DiskError {
  return syntax('JSON parse error, invalid escape sequence in string');
}

function stray(text: string): DiskError {
  return syntax(`JSON parse error, stray '${text.slice(0, 200)}'`);
}

function syntax(message: string): DiskError {
  return new DiskError('invalid-argument', 'json.syntax', message);
}
