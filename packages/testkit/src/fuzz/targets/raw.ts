import { exerciseImage } from '../exercise/open-image.ts';
import type { FuzzTarget } from '../fuzz-target.ts';
import { plainSeed } from '../seed-image.ts';

const pattern = (lengthBytes: number) =>
  Uint8Array.from({ length: lengthBytes }, (_, at) => (at * 7) % 256);

export const rawTarget: FuzzTarget = {
  name: 'raw',
  seeds: () => [
    plainSeed('one-byte', pattern(1)),
    plainSeed('odd', pattern(100_001)),
    plainSeed('sectors', pattern(65_536)),
  ],
  run: (bytes, choices) =>
    exerciseImage(bytes, choices, { format: 'raw', backing: new Uint8Array(0) }),
};
