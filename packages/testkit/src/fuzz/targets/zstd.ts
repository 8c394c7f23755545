import { makeDecoders } from '@diskfile/codec';
import { runSync } from '@diskfile/core';
import { decodeInPieces } from '../exercise/decode-in-pieces.ts';
import { exerciseDecoders, loadDecoders } from '../exercise/decoders.ts';
import { tolerate } from '../exercise/tolerate.ts';
import type { FuzzTarget } from '../fuzz-target.ts';
import { plainSeed, type SeedImage } from '../seed-image.ts';
import { packedSeeds } from '../seeds/image-folder.ts';

const UNIT_BYTES = 16_384;
const SINGLE_SEGMENT = 0x20;
/** Window_Descriptor of 64 MiB: code of our own decodes such streams where libzstd is WebAssembly. */
const WIDE_WINDOW = 16 * 8;

const decoders = await loadDecoders('zstd');
const streams = runSync(makeDecoders({ native: false }).loadStream('zstd'));

function seeds(): SeedImage[] {
  return packedSeeds('zstd').flatMap(({ name, bytes }) => {
    const seed = plainSeed(name, bytes);
    if ((bytes[4]! & SINGLE_SEGMENT) !== 0) return [seed];
    const wide = bytes.slice();
    wide[5] = WIDE_WINDOW;
    const repair = (mutant: Uint8Array): void => {
      if (mutant.length > 5) mutant[5] = WIDE_WINDOW;
    };
    return [seed, { ...plainSeed(`${name}-wide`, wide), repair }];
  });
}

export const zstdTarget: FuzzTarget = {
  name: 'zstd',
  seeds,
  async run(bytes, choices) {
    // Each by itself: versions of libzstd differ in which damage they notice.
    for (const decoder of decoders) {
      await exerciseDecoders([decoder], bytes, UNIT_BYTES);
      await exerciseDecoders([decoder], bytes, Math.floor(choices[0]! * 2 * UNIT_BYTES));
    }
    const stream = runSync(streams.start());
    await tolerate(() => decodeInPieces(stream, bytes, choices));
    stream.close();
  },
};
