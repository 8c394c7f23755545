/** The descriptor of a new disk, line for line as QEMU words it. */
import { encodeName } from '@diskfile/bytes';
import type { CreateLayout } from './create-options.ts';
import { SECTOR_BYTES } from './structs.ts';

const SECTORS_PER_TRACK = 63;

export interface NewExtent {
  readonly sizeBytes: number;
  readonly filename: string;
}

export function encodeDescriptor(layout: CreateLayout, extents: readonly NewExtent[]): Uint8Array {
  const { parent, subformat } = layout;
  // QEMU puts the name where there is an empty line otherwise.
  const hint = parent === undefined ? '' : `parentFileNameHint="${parent.name}"`;
  const lines = [
    '# Disk DescriptorFile',
    'version=1',
    `CID=${newCid()}`,
    `parentCID=${parent === undefined ? 'ffffffff' : withoutZeros(parent.cid)}`,
    `createType="${subformat}"`,
    hint,
    '# Extent description',
    ...extents.map((extent) => extentLine(layout, extent)),
    '',
    '# The Disk Data Base',
    '#DDB',
    '',
    ...databaseLines(layout),
    '',
  ];
  return encodeName(lines.join('\n'));
}

/** As QEMU words numbers. */
function withoutZeros(cid: string): string {
  return cid.replace(/^0+(?=.)/, '');
}

function newCid(): string {
  const random = globalThis.crypto.getRandomValues(new Uint32Array(1))[0]!;
  // All ones stand for no image at all.
  return (random % 0xffff_ffff).toString(16);
}

function extentLine({ isSparse }: CreateLayout, { sizeBytes, filename }: NewExtent): string {
  const sectors = sizeBytes / SECTOR_BYTES;
  return isSparse ? `RW ${sectors} SPARSE "${filename}"` : `RW ${sectors} FLAT "${filename}" 0`;
}

function databaseLines({
  sizeBytes,
  adapterType,
  hwVersion,
  toolsVersion,
}: CreateLayout): string[] {
  const heads = adapterType === 'ide' ? 16 : 255;
  const cylinders = Math.floor(sizeBytes / SECTOR_BYTES / (SECTORS_PER_TRACK * heads));
  return [
    `ddb.virtualHWVersion = "${hwVersion}"`,
    `ddb.geometry.cylinders = "${cylinders}"`,
    `ddb.geometry.heads = "${heads}"`,
    `ddb.geometry.sectors = "${SECTORS_PER_TRACK}"`,
    `ddb.adapterType = "${adapterType}"`,
    `ddb.toolsVersion = "${toolsVersion}"`,
  ];
}
