import { DiskError } from 'diskfile';
import { describe, expect, it } from 'vitest';
import { byteText, parseNumber, parsePattern } from '../src/text/byte-text.ts';
import { requestReason } from '@diskfile/command';
import { openReason } from '../src/text/failure-words.ts';
import { hexDump } from '../src/text/hex-dump.ts';

describe('numbers', () => {
  it.each([
    [0, '0 bytes'],
    [512, '512 bytes'],
    [1024, '1 KiB'],
    [1536, '1.500 KiB'],
    [1047040, '1022.500 KiB'],
    [65536 * 1024, '64 MiB'],
    [1024 ** 6, '1 EiB'],
    [25.056022, '25.056022 bytes'],
  ])('%d prints as %s', (bytes, text) => {
    expect(byteText(bytes)).toBe(text);
  });

  it('are read with units, and refused in words', () => {
    expect(parseNumber('1.5k')).toEqual({ value: 1536 });
    expect(parseNumber('0x200')).toEqual({ value: 512 });
    expect(parseNumber('8E')).toEqual({ fault: 'Parsing error: argument too large -- 8E' });
    expect(parseNumber('-1')).toHaveProperty('fault');
    expect(['0xff', '010', '256', '-1', 'a'].map(parsePattern)).toEqual([
      255,
      8,
      undefined,
      undefined,
      undefined,
    ]);
  });
});

describe('bytes', () => {
  it('are dumped sixteen to a line', () => {
    const lines = [...hexDump(Buffer.from('0123456789abcdef-Z'), 512)];
    expect(lines).toEqual([
      '00000200:  30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66  0123456789abcdef\n',
      '00000210:  2d 5a  .Z\n',
    ]);
  });
});

describe('failures', () => {
  it('are told in the words of the host', () => {
    const reason = (code: 'io' | 'no-space' | 'out-of-range') =>
      requestReason(new DiskError(code, 'x.y', 'ours'));
    expect(reason('io')).toBe('Input/output error');
    expect(reason('no-space')).toBe('No space left on device');
    expect(reason('out-of-range')).toBe('Input/output error');
    expect(() => requestReason(new TypeError('a bug'))).toThrow('a bug');
  });

  it('name the secret that is missing, and how deep in the chain', () => {
    const missing = new DiskError('wrong-key', 'qcow2.passphrase-missing', 'ours', { depth: 1 });
    expect(openReason(missing, false)).toBe(
      "Could not open backing file: Parameter 'encrypt.key-secret' is required for cipher",
    );
  });
});
