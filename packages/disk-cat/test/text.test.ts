import { describe, expect, it } from 'vitest';
import { printable } from '@diskfile/command';
import { childPath, hostPath, showPath } from '../src/cp/host-path.ts';
import { toJsonText } from '../src/cli/json.ts';
import { exactSize, humanSize } from '../src/cli/sizes.ts';
import { csvLine, tableLines } from '../src/cli/table.ts';
import { symbolicMode } from '../src/guest/file-modes.ts';
import { formatTime, isoTime } from '../src/guest/times.ts';
import type { FileStats } from 'diskfile';

describe('sizes for people', () => {
  it.each([
    [0, '0'],
    [1023, '1023'],
    [1024, '1.0K'],
    [1025, '1.1K'],
    [10 * 1024 - 1, '10K'],
    [1024 ** 2 - 1, '1.0M'],
    [1024 ** 3 * 4.5, '4.5G'],
    [Number.MAX_SAFE_INTEGER, '8.0P'],
  ])('%d is %s', (bytes, text) => {
    expect(humanSize(bytes)).toBe(text);
  });

  it.each([
    [512, '512 bytes'],
    [1024, '1 KiB (1024 bytes)'],
    [1536, '1.5 KiB (1536 bytes)'],
    [123731968, '118 MiB (123731968 bytes)'],
  ])('%d is %s in full', (bytes, text) => {
    expect(exactSize(bytes)).toBe(text);
  });
});

describe('text on a terminal', () => {
  it('cannot move the cursor, break the line or turn it around', () => {
    expect(printable('a\n\x1b[2J\x7f\x9b\udcff\u2028\u202e\u2066é日💾')).toBe(
      String.raw`a\x0a\x1b[2J\x7f\x9b\xff\u{2028}\u{202e}\u{2066}é日💾`,
    );
  });

  it('shows half a surrogate pair as what it is', () => {
    expect(printable('\ud83d')).toBe(String.raw`\u{d83d}`);
  });
});

describe('JSON', () => {
  it('gives names back as they were, and nothing that a terminal acts on', () => {
    const name = 'a\n\x1b[2J\x7f\x9b\udcff\u2028\u202e日';
    const text = toJsonText({ name });
    expect(text).toMatch(/^[ -~日]+$/);
    expect(JSON.parse(text)).toEqual({ name });
  });
});

describe('tables', () => {
  it('align columns and do not pad the last', () => {
    const columns = [{ title: 'name' }, { title: 'n', align: 'right' as const }, { title: 'x' }];
    expect(
      tableLines(columns, [
        ['a', '10', 'long'],
        ['bcdef', '9', ''],
      ]),
    ).toEqual(['name    n  x', 'a      10  long', 'bcdef   9  ']);
  });

  it('quote what CSV needs quoted', () => {
    expect(csvLine(['plain', 'a,b', 'say "x"', 'two\nlines', 5])).toBe(
      'plain,"a,b","say ""x""","two\nlines",5',
    );
  });
});

describe('times', () => {
  const time = { seconds: 1700000000, nanoseconds: 120 };

  it('have nanoseconds in ISO and in full', () => {
    expect(isoTime(time)).toBe('2023-11-14T22:13:20.000000120Z');
    expect(isoTime({ seconds: -1, nanoseconds: 5 })).toBe('1969-12-31T23:59:59.000000005Z');
    expect(formatTime(time, 'full', 0)).toMatch(/:\d\d:20\.000000120 [+-]\d{4}$/);
  });

  it('count from now', () => {
    expect(formatTime(time, 'relative', 1700000060)).toBe('60');
    expect(formatTime(time, 'days', 1700000000 + 86400 * 3 - 1)).toBe('2');
    expect(formatTime(time, 'epoch', 0)).toBe('1700000000');
  });

  it('beyond any calendar are numbers', () => {
    const far = { seconds: 9e12, nanoseconds: 0 };
    expect([isoTime(far), formatTime(far, 'minutes', 0)]).toEqual([
      '9000000000000',
      '9000000000000',
    ]);
  });
});

describe('modes', () => {
  it.each([
    ['file', 0o644, '-rw-r--r--'],
    ['directory', 0o1777, 'drwxrwxrwt'],
    ['file', 0o4755, '-rwsr-xr-x'],
    ['file', 0o6000, '---S--S---'],
    ['block-device', 0o1660, 'brw-rw---T'],
    ['unknown', 0, 'u---------'],
  ] as const)('of a %s with %o', (type, permissions, text) => {
    expect(symbolicMode({ type, permissions } as FileStats)).toBe(text);
  });
});

describe('host paths', () => {
  it('keep the bytes of guest names', () => {
    const path = childPath(hostPath('/a'), 'x\udcff');
    expect(path).toEqual(Buffer.from('/a/x\xff', 'latin1'));
    expect(showPath(path)).toBe('/a/x\udcff');
  });

  it.each(['', '.', '..', 'a/b', '/', '../x', 'a\0b'])('refuse %j as a name', (name) => {
    expect(() => childPath(hostPath('/a'), name)).toThrow(
      expect.objectContaining({ code: 'denied', detail: 'cp.unsafe-name' }),
    );
  });
});
