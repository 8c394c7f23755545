/** The header of a VDI image: parsed, checked, and handed on as what the rest needs to know. */
import {
  alignUp,
  decodeFixedText,
  DiskError,
  divideUp,
  formatGuid,
  isAllZero,
} from '@diskfile/bytes';
import type { Limits } from '@diskfile/core';
import { header1, IMAGE_TYPE, preHeader, VDI_SIGNATURE, VDI_VERSION } from './structs.ts';

export type VdiType = 'dynamic' | 'static' | 'undo' | 'differencing';

export interface VdiHeader {
  readonly type: VdiType;
  readonly sizeBytes: number;
  readonly blockBytes: number;
  /** What precedes the data of each block in the file. */
  readonly blockExtraBytes: number;
  readonly blockCount: number;
  readonly allocatedBlocks: number;
  /** Where the block map begins. */
  readonly mapOffset: number;
  readonly dataOffset: number;
  readonly comment: string;
  readonly uuid: string;
  readonly modifyUuid: string;
  readonly linkUuid: string | undefined;
  readonly parentModifyUuid: string | undefined;
}

export const HEADER_BYTES = preHeader.spanBytes + header1.spanBytes;
/** Where the count of allocated blocks is. */
export const ALLOCATED_AT = preHeader.spanBytes + header1.offsetOf('cBlocksAllocated');
export const LINK_AT = preHeader.spanBytes + header1.offsetOf('uuidLinkage');
export const PARENT_MODIFY_AT = preHeader.spanBytes + header1.offsetOf('uuidParentModify');

const SECTOR_BYTES = 512;
const MAX_BLOCK_BYTES = 256 * 1024 * 1024;
/** QEMU's bound, and so the largest map that everybody reads. */
export const MAX_BLOCKS = 0x1fff_ff80;
/** The largest disk: as many blocks of the usual size. */
const MAX_SIZE_BYTES = MAX_BLOCKS * 1024 * 1024;
const TYPES: Readonly<Record<number, VdiType>> = {
  [IMAGE_TYPE.normal]: 'dynamic',
  [IMAGE_TYPE.fixed]: 'static',
  [IMAGE_TYPE.undo]: 'undo',
  [IMAGE_TYPE.diff]: 'differencing',
};

/** QEMU knows blocks of this size alone. */
const QEMU_BLOCK_BYTES = 1024 * 1024;

/**
 * @param head {@link HEADER_BYTES} from the start of the image
 * @param asQemu whether what QEMU does not open is refused
 * @throws DiskError `corrupt` or `unsupported`
 */
export function parseHeader(head: Uint8Array, asQemu = false): VdiHeader {
  const { u32Signature, u32Version } = preHeader.decode(head);
  if (u32Signature !== VDI_SIGNATURE) {
    const given = u32Signature.toString(16).padStart(8, '0');
    throw corrupt('vdi.signature', `0x${given} is not the signature of a VDI image`, 64);
  }
  if (u32Version !== VDI_VERSION) {
    throw new DiskError(
      'unsupported',
      'vdi.version',
      `The image has version ${Math.floor(u32Version / 65_536)}.${u32Version % 65_536} of VDI`,
      { offset: 68, hint: 'Version 1.1 can be read; VirtualBox converts older ones.' },
    );
  }
  const raw = header1.decode(head, preHeader.spanBytes);
  const type = TYPES[raw.u32Type];
  if (type === undefined) {
    throw corrupt('vdi.type', `There is no image type ${raw.u32Type}`, fieldOffset('u32Type'));
  }
  if (asQemu) refuseUnknownToQemu(raw);
  checkGeometry(raw);
  return {
    type,
    sizeBytes: alignUp(raw.cbDisk, SECTOR_BYTES),
    blockBytes: raw.cbBlock,
    blockExtraBytes: raw.cbBlockExtra,
    blockCount: raw.cBlocks,
    allocatedBlocks: raw.cBlocksAllocated,
    mapOffset: raw.offBlocks,
    dataOffset: raw.offData,
    comment: decodeFixedText(raw.szComment),
    uuid: uuidText(raw.uuidCreate),
    modifyUuid: uuidText(raw.uuidModify),
    linkUuid: optionalUuid(raw.uuidLinkage),
    parentModifyUuid: optionalUuid(raw.uuidParentModify),
  };
}

type RawHeader = ReturnType<typeof header1.decode>;

/** Other blocks, and disks that need another one. What is wrong with the rest is told of first. */
function refuseUnknownToQemu({ cbDisk, cbSector, cbBlock, ...raw }: RawHeader): void {
  if (cbDisk > MAX_SIZE_BYTES || cbSector !== SECTOR_BYTES) return;
  if (cbBlock !== QEMU_BLOCK_BYTES) throw strangeBlocks(cbBlock);
  if (divideUp(cbDisk, cbBlock) > raw.cBlocks) return;
  if (!isAllZero(raw.uuidLinkage)) throw linked('vdi.link-uuid', 'uuidLinkage');
  if (!isAllZero(raw.uuidParentModify)) throw linked('vdi.parent-uuid', 'uuidParentModify');
}

function strangeBlocks(blockBytes: number): DiskError {
  return corrupt('vdi.block-size', `Blocks of ${blockBytes} bytes`, fieldOffset('cbBlock'));
}

function linked(detail: string, field: 'uuidLinkage' | 'uuidParentModify'): DiskError {
  return new DiskError('unsupported', detail, `The image names another one, by ${field}`, {
    offset: fieldOffset(field),
    hint: 'Open it without asQemu.',
  });
}

function optionalUuid(uuid: Uint8Array): string | undefined {
  return isAllZero(uuid) ? undefined : uuidText(uuid);
}

/** As VirtualBox prints it: the integers within are little endian. */
function uuidText(uuid: Uint8Array): string {
  return formatGuid(uuid).toLowerCase();
}

function checkGeometry(raw: RawHeader): void {
  const { cbSector, cbBlock, cbBlockExtra, cBlocks, cbDisk, offBlocks, offData } = raw;
  if (cbDisk > MAX_SIZE_BYTES) {
    const size = `${cbDisk} bytes`;
    throw corrupt('vdi.disk-size', `A disk of ${size} is too large`, fieldOffset('cbDisk'));
  }
  if (cbSector !== SECTOR_BYTES) {
    throw corrupt('vdi.sector-size', `Sectors of ${cbSector} bytes`, fieldOffset('cbSector'));
  }
  const isBlock = cbBlock >= SECTOR_BYTES && Number.isInteger(Math.log2(cbBlock));
  if (!isBlock || cbBlock > MAX_BLOCK_BYTES) {
    throw strangeBlocks(cbBlock);
  }
  if (cbBlockExtra % SECTOR_BYTES !== 0 || cbBlockExtra > MAX_BLOCK_BYTES) {
    throw corrupt(
      'vdi.block-extra',
      `${cbBlockExtra} bytes before each block`,
      fieldOffset('cbBlockExtra'),
    );
  }
  if (cBlocks > MAX_BLOCKS) {
    throw corrupt('vdi.map-size', `A map of ${cBlocks} blocks is too long`, fieldOffset('cBlocks'));
  }
  if (divideUp(cbDisk, cbBlock) > cBlocks) {
    throw corrupt(
      'vdi.block-count',
      `A map of ${cBlocks} blocks is too short for a disk of ${cbDisk} bytes`,
      fieldOffset('cBlocks'),
    );
  }
  if (offBlocks % SECTOR_BYTES !== 0 || offBlocks < HEADER_BYTES) {
    throw corrupt(
      'vdi.map-offset',
      `The block map lies at 0x${offBlocks.toString(16)}, where none can be`,
      fieldOffset('offBlocks'),
    );
  }
  if (offData % SECTOR_BYTES !== 0) throw misplacedData(offData);
}

/**
 * What a writer or a check, which have to know all of the map, ask for. One who only reads goes
 * through it page by page, wherever it lies.
 * @throws DiskError `corrupt` or `limit`
 */
export function checkTables(header: VdiHeader, limits: Limits): void {
  const { blockCount, mapOffset, dataOffset } = header;
  if (dataOffset < mapOffset + blockCount * 4) throw misplacedData(dataOffset);
  if (blockCount * 4 > limits.maxStructureBytes) {
    throw new DiskError('limit', 'vdi.map-limit', `A map of ${blockCount} blocks is too long`, {
      offset: fieldOffset('cBlocks'),
      hint: 'Raise limits.maxStructureBytes if the image can be trusted.',
    });
  }
}

function misplacedData(dataOffset: number): DiskError {
  return corrupt(
    'vdi.data-offset',
    `The data begins at 0x${dataOffset.toString(16)}, where none can be`,
    fieldOffset('offData'),
  );
}

function fieldOffset(field: Parameters<typeof header1.offsetOf>[0]): number {
  return preHeader.spanBytes + header1.offsetOf(field);
}

export function corrupt(detail: string, message: string, offset: number): DiskError {
  return new DiskError('corrupt', detail, message, {
    offset,
    hint: 'Restore the image, or repair a copy with VirtualBox.',
  });
}
