import { ASIF_CHUNK, buildAsif, buildSparseImage } from '../../builders/apple.ts';
import { exerciseImage } from '../exercise/open-image.ts';
import type { FuzzTarget } from '../fuzz-target.ts';
import { headerFields, type Region, type SeedImage } from '../seed-image.ts';

const backing = new Uint8Array(0);

/** Scattered sectors, noise and nothing. */
function contentOf(lengthBytes: number): Uint8Array {
  return Uint8Array.from({ length: lengthBytes }, (_, at) => {
    const kind = Math.floor(at / 70_000) % 3;
    if (kind === 0) return Math.floor(at / 512) % 3 === 0 ? 97 + (at % 23) : 0;
    return kind === 1 ? Math.imul(at, 0x9e37_79b1) >>> 24 : 0;
  });
}

const SPARSE_HEADER = [
  ['sectors per band', 8, 4],
  ['sectors, lower half', 16, 4],
  ['next node', 20, 8],
  ['sectors', 28, 8],
] as const;

export const sparseImageTarget: FuzzTarget = {
  name: 'sparseimage',
  seeds: () => [4096, 32_768].map(sparseSeed),
  run: (bytes, choices) => exerciseImage(bytes, choices, { format: 'sparseimage', backing }),
};

function sparseSeed(bandBytes: number): SeedImage {
  const content = contentOf(300_032);
  const bands = { name: 'bands', offset: 64, lengthBytes: 200 };
  return {
    name: `bands-of-${bandBytes}`,
    bytes: new Uint8Array(buildSparseImage(content, bandBytes)),
    unitBytes: 512,
    fields: headerFields(0, true, SPARSE_HEADER),
    regions: [{ ...bands, widthBytes: 4, bigEndian: true }],
  };
}

const ASIF_HEADER = [
  ['directory', 16, 8],
  ['other directory', 24, 8],
  ['sectors', 48, 8],
  ['most sectors', 56, 8],
  ['chunk size', 64, 4],
  ['sector size', 68, 2],
] as const;

export const asifTarget: FuzzTarget = {
  name: 'asif',
  seeds: () => [500_224, 5 * ASIF_CHUNK].map(asifSeed),
  run: (bytes, choices) => exerciseImage(bytes, choices, { format: 'asif', backing }),
};

function asifSeed(lengthBytes: number): SeedImage {
  const region = (name: string, offset: number, length: number, widthBytes: 1 | 8): Region => {
    return { name, offset, lengthBytes: length, widthBytes, bigEndian: true };
  };
  return {
    name: `disk-of-${lengthBytes}`,
    bytes: new Uint8Array(buildAsif(contentOf(lengthBytes))),
    unitBytes: ASIF_CHUNK,
    fields: headerFields(0, true, ASIF_HEADER),
    regions: [
      region('directory', 1024, 16, 8),
      region('newer directory', 2048, 16, 8),
      region('chunks', ASIF_CHUNK, 80, 8),
      region('bitmap entry', ASIF_CHUNK + 2048 * 8, 8, 8),
      region('bitmap', 2 * ASIF_CHUNK, 300, 1),
    ],
  };
}
