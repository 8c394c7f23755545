import { buildCloop } from '../../builders/cloop.ts';
import { exerciseImage } from '../exercise/open-image.ts';
import type { FuzzTarget } from '../fuzz-target.ts';
import { headerFields, type SeedImage } from '../seed-image.ts';

const CONTENT = Uint8Array.from({ length: 24 * 4096 }, (_, at) =>
  at % 12_288 < 4096 ? 0 : Math.imul(at, 0x9e37_79b1) >>> 24,
);
const HEADER = [
  ['block_size', 128, 4],
  ['num_blocks', 132, 4],
] as const;

/** By which the image is known. */
const SCRIPT = buildCloop(new Uint8Array(512), 512).subarray(0, 128);

export const cloopTarget: FuzzTarget = {
  name: 'cloop',
  // Blocks of up to 16 MiB are decoded as a whole, for every place that is read.
  maxGrowthBytes: 512 * 1024 * 1024,
  seeds: () => [4096, 16_384].map(seedOf),
  run: (bytes, choices) =>
    exerciseImage(bytes, choices, { format: 'cloop', backing: new Uint8Array(0) }),
};

function seedOf(blockBytes: number): SeedImage {
  const table = { offset: 136, lengthBytes: (CONTENT.length / blockBytes + 1) * 8 };
  return {
    name: `blocks-of-${blockBytes}`,
    bytes: new Uint8Array(buildCloop(CONTENT, blockBytes)),
    unitBytes: 512,
    fields: headerFields(0, true, HEADER),
    repair: (bytes) => bytes.set(SCRIPT.subarray(0, bytes.length)),
    regions: [{ ...table, name: 'offsets', widthBytes: 8, bigEndian: true }],
  };
}
