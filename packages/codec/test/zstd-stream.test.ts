import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DiskError } from '@diskfile/bytes';
import { runSync } from '@diskfile/core';
import { makeDecoders } from '../src/index.ts';
import { content, damage, damaged } from './support/content.ts';
import { decodeInPieces } from './support/streaming.ts';
import { encodeZstd } from './support/zstd-encoder.ts';

const codecs = [true, false].map((native) => {
  const codec = runSync(makeDecoders({ native }).loadStream('zstd'));
  return [native ? 'native' : 'portable', codec] as const;
});

describe.each(codecs)('zstd in pieces, %s', (_name, codec) => {
  it('gives back what was compressed, however it is cut, and knows where it ends', () => {
    const size = fc.integer({ min: 1, max: 200_000 });
    fc.assert(
      fc.property(content, fc.boolean(), size, size, (bytes, contentSize, ...cut) => {
        const encoded = encodeZstd(bytes, { contentSize });
        const src = Buffer.concat([encoded, Buffer.from('behind it')]);
        const stream = runSync(codec.start());
        const whole = decodeInPieces(stream, src, ...cut);
        stream.close();
        expect(whole.bytes.equals(bytes)).toBe(true);
        expect(whole.takenBytes).toBe(encoded.length);
      }),
      { numRuns: 30 },
    );
  });

  it('refuses damaged frames, and goes on with others', () => {
    fc.assert(
      fc.property(content, damage, (bytes, harm) => {
        const encoded = encodeZstd(bytes);
        const stream = runSync(codec.start());
        try {
          decodeInPieces(stream, damaged(encoded, harm), 5000, 50_000);
        } catch (error) {
          if (!(error instanceof DiskError) && !String(error).includes('needs more')) throw error;
        } finally {
          stream.close();
        }
        const other = runSync(codec.start());
        expect(decodeInPieces(other, encoded, 5000, 50_000).bytes.equals(bytes)).toBe(true);
        other.close();
      }),
      { numRuns: 30 },
    );
  });

  it('refuses windows that there is no room for', () => {
    // A window of 256 MiB.
    const frame = Buffer.from('28b52ffd0090', 'hex');
    const stream = runSync(codec.start());
    expect(() => stream.decode(frame, new Uint8Array(10))).toThrow(/window|refers back/);
    stream.close();
  });
});
