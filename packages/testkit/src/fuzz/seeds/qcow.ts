/** Where the fields and tables of a qcow (version 1) image are. */
import { readU32be } from '@diskfile/bytes';
import { headerFields, type SeedImage } from '../seed-image.ts';
import { testImages } from './image-folder.ts';

const HEADER = [
  ['magic', 0, 4],
  ['version', 4, 4],
  ['backing_file_offset', 8, 8],
  ['backing_file_size', 16, 4],
  ['mtime', 20, 4],
  ['size', 24, 8],
  ['cluster_bits', 32, 1],
  ['l2_bits', 33, 1],
  ['crypt_method', 36, 4],
  ['l1_table_offset', 40, 8],
] as const;

export function qcowSeeds(): SeedImage[] {
  return testImages('.qcow', 256 * 1024).map(({ name, bytes }) => {
    const clusterBytes = 2 ** bytes[32]!;
    const l1Offset = readU32be(bytes, 44);
    const firstL2 = readU32be(bytes, l1Offset + 4);
    const table = { widthBytes: 8, bigEndian: true } as const;
    return {
      name,
      bytes,
      unitBytes: clusterBytes,
      fields: headerFields(0, true, HEADER),
      regions: [
        { ...table, name: 'L1', offset: l1Offset, lengthBytes: 64 },
        { ...table, name: 'L2', offset: firstL2, lengthBytes: 8 * 2 ** bytes[33]! },
      ],
    };
  });
}
