import { exerciseDecoders, loadDecoders } from '../exercise/decoders.ts';
import type { FuzzTarget } from '../fuzz-target.ts';
import { plainSeed } from '../seed-image.ts';
import { packedSeeds } from '../seeds/image-folder.ts';

const UNIT_BYTES = 16_384;

const decoders = await loadDecoders('zstd');

export const zstdTarget: FuzzTarget = {
  name: 'zstd',
  seeds: () => packedSeeds('zstd').map(({ name, bytes }) => plainSeed(name, bytes)),
  async run(bytes, choices) {
    // Each by itself: versions of libzstd differ in which damage they notice.
    for (const decoder of decoders) {
      await exerciseDecoders([decoder], bytes, UNIT_BYTES);
      await exerciseDecoders([decoder], bytes, Math.floor(choices[0]! * 2 * UNIT_BYTES));
    }
  },
};
