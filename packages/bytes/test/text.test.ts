import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeFixedText,
  decodeName,
  decodeUtf16le,
  encodeName,
  formatGuid,
  formatUuid,
  toHex,
} from '../src/index.ts';

const encoder = new TextEncoder();

describe('guest names', () => {
  it('survives decoding and encoding, whatever its bytes', () => {
    const pieces = fc.array(fc.oneof(fc.uint8Array({ maxLength: 5 }), utf8()), { maxLength: 6 });
    fc.assert(
      fc.property(pieces, (parts) => {
        const bytes = Uint8Array.from(parts.flatMap((part) => [...part]));
        expect([...encodeName(decodeName(bytes))]).toEqual([...bytes]);
      }),
      { numRuns: 1000 },
    );
  });

  it('gives different names for different bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 4 }), fc.uint8Array({ maxLength: 4 }), (a, b) => {
        expect(decodeName(a) === decodeName(b)).toBe(toHex(a) === toHex(b));
      }),
    );
  });

  it('leaves valid UTF-8 as it is, a byte order mark too', () => {
    for (const name of ['', 'plain', 'Grüße', '日本語', '🙂.txt', '\ufeffmarked']) {
      expect(decodeName(encoder.encode(name))).toBe(name);
    }
  });

  it('carries invalid bytes as lone surrogates', () => {
    expect(decodeName(Uint8Array.of(0x61, 0xff, 0x62))).toBe('a\udcffb');
    // A surrogate encoded as UTF-8, an overlong slash, a truncated sequence.
    expect(decodeName(Uint8Array.of(0xed, 0xb2, 0x80))).toBe('\udced\udcb2\udc80');
    expect(decodeName(Uint8Array.of(0xc0, 0xaf))).toBe('\udcc0\udcaf');
    expect(decodeName(Uint8Array.of(0xe2, 0x82))).toBe('\udce2\udc82');
  });

  function utf8(): fc.Arbitrary<Uint8Array> {
    return fc.string({ unit: 'binary', maxLength: 4 }).map((text) => encoder.encode(text));
  }
});

describe('fixed-width text', () => {
  it('ends at the first NUL or fills its field', () => {
    expect(decodeFixedText(encoder.encode('boot\0junk'))).toBe('boot');
    expect(decodeFixedText(encoder.encode('\0'))).toBe('');
    expect(decodeFixedText(encoder.encode('sixteen bytes ok'))).toBe('sixteen bytes ok');
  });

  it('reads UTF-16LE up to a NUL unit and keeps unpaired surrogates', () => {
    const units = (text: string) => new Uint8Array(Buffer.from(text, 'utf16le'));
    expect(decodeUtf16le(units('EFI 系统\0rest'))).toBe('EFI 系统');
    expect(decodeUtf16le(units('🙂'))).toBe('🙂');
    expect(decodeUtf16le(units('x\ud800'))).toBe('x\ud800');
    expect(decodeUtf16le(Uint8Array.of(0x41, 0, 0x42))).toBe('A');
  });
});

describe('identifiers', () => {
  const bytes = Uint8Array.from({ length: 16 }, (_, index) => index * 17);

  it('prints UUIDs in network order', () => {
    expect(formatUuid(bytes)).toBe('00112233-4455-6677-8899-aabbccddeeff');
  });

  // The EFI system partition's type, as it lies on disk and as the UEFI specification prints it.
  it('prints GUIDs in the mixed order of UEFI', () => {
    const stored = Uint8Array.from(Buffer.from('28732ac11ff8d211ba4b00a0c93ec93b', 'hex'));
    expect(formatGuid(stored)).toBe('C12A7328-F81F-11D2-BA4B-00A0C93EC93B');
  });
});
