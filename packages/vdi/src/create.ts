/** Creating VDI images, with the options of `qemu-img create -f vdi`. */
import { alignUp, DiskError, divideUp, randomUuid } from '@diskfile/bytes';
import {
  type CreateContext,
  flushStorage,
  quote,
  type Step,
  truncateStorage,
  inContext,
  writeBytes,
} from '@diskfile/core';
import { MAX_BLOCKS } from './header.ts';
import { header1, IMAGE_TYPE, preHeader, VDI_SIGNATURE, VDI_VERSION } from './structs.ts';

const SECTOR_BYTES = 512;
const BLOCK_BYTES = 1024 * 1024;
/** The map's place in every image that VirtualBox or QEMU makes. */
const MAP_OFFSET = 512;
const FILE_INFO = '<<< diskfile VM Virtual Disk Image >>>\n';
/** Bytes of the header from its length field on; VirtualBox adds a geometry after QEMU's. */
const HEADER_LENGTH = 0x180;

const PREALLOCATION: ReadonlySet<unknown> = new Set(['off', 'falloc', 'full']);

export function* createVdi(context: CreateContext): Step<void> {
  const { storage, sizeBytes, backing } = context;
  if (backing !== undefined)
    throw refused('vdi.no-backing', 'A VDI image is not made over another');
  const isStatic = parseStatic(context.options);
  const blocks = divideUp(sizeBytes, BLOCK_BYTES);
  if (blocks > MAX_BLOCKS) {
    throw refused('vdi.too-large', `A VDI image has ${MAX_BLOCKS} MiB at most`);
  }
  const mapBytes = alignUp(blocks * 4, SECTOR_BYTES);
  const dataOffset = MAP_OFFSET + mapBytes;
  const map = new DataView(new ArrayBuffer(mapBytes));
  for (let index = 0; index < blocks; index++) {
    map.setUint32(index * 4, isStatic ? index : 0xffff_ffff, true);
  }
  const writing = writeBytes(storage, new Uint8Array(map.buffer), MAP_OFFSET);
  yield* inContext({ purpose: 'block-map' }, writing);
  if (isStatic) yield* truncateStorage(storage, dataOffset + blocks * BLOCK_BYTES);
  const head = encodeHeader({ sizeBytes, blocks, dataOffset, isStatic });
  yield* writeBytes(storage, head, 0);
  yield* flushStorage(storage);
}

function parseStatic(options: CreateContext['options']): boolean {
  const { static: isStatic = false, preallocation = 'off', ...unknown } = options;
  for (const name of Object.keys(unknown)) {
    const message = `VDI images have no option ${quote(name)}`;
    throw refused('vdi.option', message, 'Known options: static, preallocation.');
  }
  // Said of the file, which has nothing in it yet: what makes a difference is `static`.
  if (!PREALLOCATION.has(preallocation)) {
    const message = `preallocation is off, falloc or full, not ${quote(String(preallocation))}`;
    throw refused('vdi.preallocation', message);
  }
  if (isStatic === true || isStatic === 'on' || isStatic === 'true') return true;
  if (isStatic === false || isStatic === 'off' || isStatic === 'false') return false;
  throw refused('vdi.static', `static is on or off, not ${quote(String(isStatic))}`);
}

interface Layout {
  readonly sizeBytes: number;
  readonly blocks: number;
  readonly dataOffset: number;
  readonly isStatic: boolean;
}

function encodeHeader({ sizeBytes, blocks, dataOffset, isStatic }: Layout): Uint8Array {
  const head = new Uint8Array(MAP_OFFSET);
  const szFileInfo = new Uint8Array(64);
  szFileInfo.set(new TextEncoder().encode(FILE_INFO));
  const none = new Uint8Array(16);
  preHeader.encode({ szFileInfo, u32Signature: VDI_SIGNATURE, u32Version: VDI_VERSION }, head);
  header1.encode(
    {
      cbHeader: HEADER_LENGTH,
      u32Type: isStatic ? IMAGE_TYPE.fixed : IMAGE_TYPE.normal,
      fFlags: 0,
      szComment: new Uint8Array(256),
      offBlocks: MAP_OFFSET,
      offData: dataOffset,
      cCylinders: 0,
      cHeads: 0,
      cSectors: 0,
      cbSector: SECTOR_BYTES,
      u32Dummy: 0,
      cbDisk: sizeBytes,
      cbBlock: BLOCK_BYTES,
      cbBlockExtra: 0,
      cBlocks: blocks,
      cBlocksAllocated: isStatic ? blocks : 0,
      uuidCreate: randomUuid(),
      uuidModify: randomUuid(),
      uuidLinkage: none,
      uuidParentModify: none,
    },
    head,
    preHeader.spanBytes,
  );
  return head;
}

function refused(detail: string, message: string, hint?: string): DiskError {
  return new DiskError('invalid-argument', detail, message, {
    op: 'create',
    format: 'vdi',
    layer: 'format',
    ...(hint === undefined ? {} : { hint }),
  });
}
