import { deflateRawSync } from 'node:zlib';
import { exerciseDecoders, loadDecoders } from '../exercise/decoders.ts';
import type { FuzzTarget } from '../fuzz-target.ts';
import { plainSeed, type SeedImage } from '../seed-image.ts';

const UNIT_BYTES = 16_384;
/** As QEMU writes them: a window of 4 KiB. */
const WINDOW_BITS = 12;

const decoders = await loadDecoders('deflate-raw');

export const deflateTarget: FuzzTarget = {
  name: 'deflate',
  seeds: deflateSeeds,
  async run(bytes, choices) {
    await exerciseDecoders(decoders, bytes, UNIT_BYTES);
    await exerciseDecoders(decoders, bytes, Math.floor(choices[0]! * 2 * UNIT_BYTES));
  },
};

function deflateSeeds(): SeedImage[] {
  const text = Uint8Array.from({ length: UNIT_BYTES }, (_, at) => 97 + ((at * at) % 23));
  const noise = Uint8Array.from(
    { length: UNIT_BYTES },
    (_, at) => Math.imul(at, 0x9e3779b1) >>> 24,
  );
  return [0, 1, 9].flatMap((level) =>
    [text, noise, new Uint8Array(UNIT_BYTES)].map((content, index) => {
      const stream = deflateRawSync(content, { level, windowBits: WINDOW_BITS });
      return plainSeed(`level-${level}-${index}`, new Uint8Array(stream));
    }),
  );
}
