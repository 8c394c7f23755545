/**
 * Hosted sparse extents of VMDK with grains and tables far smaller than those that programs make, so
 * that all a crash leaves of one can be looked at.
 */
export interface SmallVmdk {
  readonly sizeBytes: number;
  /** A power of two from 512 on. */
  readonly grainBytes: number;
  readonly entriesPerTable: number;
  readonly zeroedGrains?: boolean;
  /** Goes into the extent; a part of a disk has none. */
  readonly descriptor?: string;
}

const SECTOR = 512;
const DESCRIPTOR_SECTORS = 4;

export function buildSmallVmdk(given: SmallVmdk): Uint8Array {
  const { sizeBytes, grainBytes, entriesPerTable, zeroedGrains = false, descriptor } = given;
  const tables = Math.ceil(Math.ceil(sizeBytes / grainBytes) / entriesPerTable);
  const directorySectors = sectors(tables * 4);
  const tableSectors = sectors(entriesPerTable * 4);
  const oneCopy = directorySectors + tables * tableSectors;
  const redundantAt = 1 + DESCRIPTOR_SECTORS;
  const directoryAt = redundantAt + oneCopy;
  const grainSectors = grainBytes / SECTOR;
  const overhead = Math.ceil((directoryAt + oneCopy) / grainSectors) * grainSectors;
  const image = new Uint8Array(overhead * SECTOR);
  const view = new DataView(image.buffer);
  const u64 = (at: number, value: number) => view.setBigUint64(at, BigInt(value), true);
  image.set(Buffer.from('KDMV'));
  view.setUint32(4, zeroedGrains ? 2 : 1, true);
  view.setUint32(8, zeroedGrains ? 7 : 3, true);
  u64(12, sizeBytes / SECTOR);
  u64(20, grainSectors);
  if (descriptor !== undefined) {
    u64(28, 1);
    u64(36, DESCRIPTOR_SECTORS);
    image.set(Buffer.from(descriptor), SECTOR);
  }
  view.setUint32(44, entriesPerTable, true);
  u64(48, redundantAt);
  u64(56, directoryAt);
  u64(64, overhead);
  image.set([0x0a, 0x20, 0x0d, 0x0a], 73);
  for (const at of [redundantAt, directoryAt]) {
    for (let table = 0; table < tables; table++) {
      const sector = at + directorySectors + table * tableSectors;
      view.setUint32(at * SECTOR + table * 4, sector, true);
    }
  }
  return image;
}

export interface SmallDescriptor {
  readonly createType: string;
  readonly lines: readonly string[];
  readonly parent?: { readonly name: string; readonly cid: string };
}

export function smallDescriptor({ createType, lines, parent }: SmallDescriptor): string {
  return [
    '# Disk DescriptorFile',
    'version=1',
    'CID=7654321f',
    `parentCID=${parent?.cid ?? 'ffffffff'}`,
    `createType="${createType}"`,
    ...(parent === undefined ? [] : [`parentFileNameHint="${parent.name}"`]),
    '# Extent description',
    ...lines,
    '# The Disk Data Base',
    '#DDB',
    'ddb.adapterType = "ide"',
    '',
  ].join('\n');
}

function sectors(bytes: number): number {
  return Math.ceil(bytes / SECTOR);
}
