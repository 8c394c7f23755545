import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DiskError } from '@diskfile/bytes';
import { runSync, type StreamCodec } from '@diskfile/core';
import { makeDecoders } from '../src/index.ts';
import { WideWindowEngine } from '../src/zstd-decoder/wide-window.ts';
import { ZstdStream } from '../src/zstd-stream.ts';
import { content, damage, damaged } from './support/content.ts';
import { decodeInPieces } from './support/streaming.ts';
import { encodeZstd } from './support/zstd-encoder.ts';

const MAX_WINDOW_BYTES = 2 ** 27;
/** The decoder of our own, whatever the window. */
const own: StreamCodec = {
  id: 'zstd',
  // eslint-disable-next-line require-yield
  *start() {
    return new ZstdStream(new WideWindowEngine(MAX_WINDOW_BYTES));
  },
};
const portable = runSync(makeDecoders({ native: false }).loadStream('zstd'));
const codecs = [
  ...[true, false].map((native) => {
    const codec = runSync(makeDecoders({ native }).loadStream('zstd'));
    return [native ? 'native' : 'portable', codec] as const;
  }),
  ['own', own] as const,
];

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

/** What comes out, or that it is refused. */
function outcomeOf(codec: StreamCodec, encoded: Uint8Array): string {
  const stream = runSync(codec.start());
  try {
    return decodeInPieces(stream, encoded, 70_000, 200_000).bytes.toString('base64');
  } catch (error) {
    if (error instanceof DiskError || String(error).includes('needs more')) return 'refused';
    throw error;
  } finally {
    stream.close();
  }
}

describe('the zstd decoder of our own', () => {
  it('accepts nothing that libzstd does not, and yields the same', () => {
    fc.assert(
      fc.property(content, damage, fc.boolean(), (bytes, harm, contentSize) => {
        const encoded = encodeZstd(bytes, { contentSize });
        expect(outcomeOf(own, encoded)).toBe(Buffer.from(bytes).toString('base64'));
        const broken = damaged(encoded, harm);
        const ours = outcomeOf(own, broken);
        // Older ones let some damage pass that newer ones refuse, as this one does.
        if (ours !== 'refused') expect(ours).toBe(outcomeOf(portable, broken));
      }),
      { numRuns: 200 },
    );
  });

  it('takes the place of WebAssembly for windows that this has no room for', () => {
    const bytes = Buffer.alloc(9_000_000, 'far away ');
    bytes.set(Buffer.from('something else'), 4_500_000);
    const encoded = Buffer.from(encodeZstd(bytes, { level: 1 }));
    // Its window becomes one of 64 MiB.
    encoded[5] = 16 << 3;
    const stream = runSync(portable.start());
    expect(decodeInPieces(stream, encoded, 5000, 500_000).bytes.equals(bytes)).toBe(true);
    stream.close();
  });
});
