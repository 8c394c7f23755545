import { DiskError } from '@diskfile/bytes';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseLooseJson } from '../src/index.ts';

function refusal(text: string): string {
  try {
    parseLooseJson(text);
  } catch (error) {
    if (error instanceof DiskError) return error.message;
    throw error;
  }
  return 'accepted';
}

describe('JSON as QEMU takes it', () => {
  it('reads whatever JSON.stringify writes', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 6 }), (text) => {
        expect(JSON.stringify(parseLooseJson(text))).toBe(JSON.stringify(JSON.parse(text)));
      }),
      { numRuns: 300 },
    );
  });

  it('takes strings in single quotes', () => {
    expect(parseLooseJson(`{'a': 'it"s', "b": ['\\'', "\\u0041\\n"]}`)).toEqual({
      a: 'it"s',
      b: ["'", 'A\n'],
    });
  });

  it.each([
    ['', 'Expecting a JSON value'],
    ['  ', 'Expecting a JSON value'],
    ['{"a"', 'JSON parse error, premature EOI'],
    ['{"a":1} x', 'Expecting at most one JSON value'],
    ['{"a":1 "b"}', 'JSON parse error, expected separator in dict'],
    ['{"a" 1}', 'JSON parse error, missing : in object pair'],
    ['{"a":1,}', 'JSON parse error, expecting value'],
    ['{1:2}', 'JSON parse error, key is not a string in object'],
    ['{"a":1,"a":2}', 'JSON parse error, duplicate key'],
    ['[1 2]', 'JSON parse error, expected separator in list'],
    ['{a:1}', "JSON parse error, invalid keyword 'a'"],
    ['"a\\q"', 'JSON parse error, invalid escape sequence in string'],
    ['"\\u00g0"', 'JSON parse error, invalid escape sequence in string'],
    ['"open', `JSON parse error, stray '"open'`],
    [']', 'JSON parse error, expecting value'],
    ['[}', 'JSON parse error, expecting value'],
    ['%', "JSON parse error, stray '%'"],
  ])('refuses %s', (text, message) => {
    expect(refusal(text)).toBe(message);
  });

  it('throws nothing but DiskErrors, whatever it is given', () => {
    const pieces = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ':',
      ',',
      '"a"',
      "'",
      '"',
      '\\',
      '1',
      'true',
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 30 }), (parts) => {
        refusal(parts.join(''));
      }),
      { numRuns: 1000 },
    );
  });

  it('bounds depth and length', () => {
    expect(refusal('['.repeat(100_000))).toBe('JSON nesting depth limit exceeded');
    expect(refusal('{"a":'.repeat(100_000))).toBe('JSON nesting depth limit exceeded');
    expect(refusal(`"${'x'.repeat(2 ** 21)}"`)).toBe('JSON token size limit exceeded');
    expect(refusal(`${'['.repeat(60)}${']'.repeat(60)}`)).toBe('accepted');
  });

  it('has no use for names with a meaning in JavaScript', () => {
    const parsed = parseLooseJson('{"__proto__":{"x":1},"constructor":2}') as object;
    expect(Object.keys(parsed)).toEqual(['__proto__', 'constructor']);
    expect(({} as { x?: unknown }).x).toBeUndefined();
  });
});
