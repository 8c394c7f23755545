import { buildBochs } from '../../builders/bochs.ts';
import { exerciseImage } from '../exercise/open-image.ts';
import type { FuzzTarget } from '../fuzz-target.ts';
import { headerFields, type SeedImage } from '../seed-image.ts';

const CONTENT = Uint8Array.from({ length: 24 * 4096 }, (_, at) =>
  at % 49_152 < 16_384 ? 0 : Math.imul(at, 0x9e37_79b1) >>> 24,
);
const HEADER = [
  ['version', 64, 4],
  ['header', 68, 4],
  ['catalog', 72, 4],
  ['bitmap', 76, 4],
  ['extent', 80, 4],
  ['disk', 88, 8],
] as const;

export const bochsTarget: FuzzTarget = {
  name: 'bochs',
  seeds: () => [4096, 16_384].flatMap(seedsOf),
  run: (bytes, choices) =>
    exerciseImage(bytes, choices, { format: 'bochs', backing: new Uint8Array(0) }),
};

function seedsOf(extentBytes: number): SeedImage[] {
  const entries = CONTENT.length / extentBytes;
  const plain = buildBochs(CONTENT, extentBytes);
  const astray = Buffer.from(plain);
  for (let index = 0; index < entries; index++) astray.writeUInt32LE(index % 2, 512 + index * 4);
  const catalog = { name: 'catalog', offset: 512, lengthBytes: entries * 4 };
  return [
    { name: `extents-of-${extentBytes}`, bytes: plain },
    { name: `two-extents-of-${extentBytes}-many-times`, bytes: astray },
  ].map(({ name, bytes }) => ({
    name,
    bytes: new Uint8Array(bytes),
    unitBytes: 512,
    fields: headerFields(0, false, HEADER),
    regions: [{ ...catalog, widthBytes: 4, bigEndian: false }],
  }));
}
