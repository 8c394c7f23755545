/**
 * Telling what a partition holds by its magic number, also where it cannot be read. Enough for
 * listings and for /etc/fstab, which names filesystems by label and UUID.
 */
import {
  decodeFixedText,
  decodeName,
  formatUuid,
  hasAnyBit,
  isPowerOfTwo,
  readU16le,
  readU32le,
  toHex,
} from '@diskfile/bytes';

/** Names as `blkid` gives them. */
export interface Signature {
  readonly type: string;
  readonly label: string;
  readonly uuid: string;
  /** What kind of content: only `filesystem` can be mounted. */
  readonly usage: 'filesystem' | 'swap' | 'container';
}

interface Magic {
  readonly type: string;
  readonly usage: Signature['usage'];
  readonly at: number;
  readonly bytes: string;
  readonly label?: readonly [at: number, length: number];
  readonly uuid?: number;
}

/** Offsets and magic strings from each format's own documentation. */
const MAGICS: readonly Magic[] = [
  { type: 'crypto_LUKS', usage: 'container', at: 0, bytes: 'LUKS\xba\xbe' },
  { type: 'LVM2_member', usage: 'container', at: 536, bytes: 'LVM2 001' },
  { type: 'xfs', usage: 'filesystem', at: 0, bytes: 'XFSB', label: [108, 12], uuid: 32 },
  { type: 'squashfs', usage: 'filesystem', at: 0, bytes: 'hsqs' },
  {
    type: 'erofs',
    usage: 'filesystem',
    at: 1024,
    bytes: '\xe2\xe1\xf5\xe0',
    label: [1088, 16],
    uuid: 1072,
  },
  { type: 'exfat', usage: 'filesystem', at: 3, bytes: 'EXFAT   ' },
  { type: 'ntfs', usage: 'filesystem', at: 3, bytes: 'NTFS    ' },
  { type: 'BitLocker', usage: 'container', at: 3, bytes: '-FVE-FS-' },
  { type: 'iso9660', usage: 'filesystem', at: 32769, bytes: 'CD001', label: [32808, 32] },
  { type: 'hfsplus', usage: 'filesystem', at: 1024, bytes: 'H+' },
  { type: 'f2fs', usage: 'filesystem', at: 1024, bytes: '\x10\x20\xf5\xf2', uuid: 1132 },
  { type: 'swap', usage: 'swap', at: 4086, bytes: 'SWAPSPACE2', label: [1052, 16], uuid: 1036 },
];

/** Btrfs keeps its superblock right behind what a probe reads by default. */
const BTRFS_SUPERBLOCK = 65536;
/** Bytes from the start of a partition that {@link recogniseSignature} can make use of. */
export const SIGNATURE_BYTES = BTRFS_SUPERBLOCK + 4096;

/** What the first bytes of a partition say it holds; undefined when nothing is recognised. */
export function recogniseSignature(head: Uint8Array): Signature | undefined {
  const magic = MAGICS.find(({ at, bytes }) => holds(head, at, bytes));
  if (magic !== undefined) {
    const { type, usage, label, uuid } = magic;
    return {
      type,
      usage,
      label: label === undefined ? '' : text(head, ...label),
      uuid:
        uuid === undefined ? ntfsSerial(head, type) : formatUuid(head.subarray(uuid, uuid + 16)),
    };
  }
  return btrfsSignature(head) ?? fatSignature(head);
}

function holds(head: Uint8Array, at: number, magic: string): boolean {
  if (head.length < at + magic.length) return false;
  for (let index = 0; index < magic.length; index++) {
    if (head[at + index] !== magic.charCodeAt(index)) return false;
  }
  return true;
}

function text(head: Uint8Array, at: number, length: number): string {
  return decodeFixedText(head.subarray(at, at + length)).trimEnd();
}

function ntfsSerial(head: Uint8Array, type: string): string {
  return type === 'ntfs' ? toHex(head.slice(72, 80).toReversed()).toUpperCase() : '';
}

function btrfsSignature(head: Uint8Array): Signature | undefined {
  if (!holds(head, BTRFS_SUPERBLOCK + 64, '_BHRfS_M')) return undefined;
  return {
    type: 'btrfs',
    usage: 'filesystem',
    label: text(head, BTRFS_SUPERBLOCK + 299, 256),
    uuid: formatUuid(head.subarray(BTRFS_SUPERBLOCK + 32, BTRFS_SUPERBLOCK + 48)),
  };
}

/** FAT has no magic: a boot sector whose parameters make sense (Microsoft FAT specification, §3). */
function fatSignature(head: Uint8Array): Signature | undefined {
  if (head.length < 512 || readU16le(head, 510) !== 0xaa55) return undefined;
  const bytesPerSector = readU16le(head, 11);
  const sectorsPerCluster = head[13]!;
  const saneSectors =
    isPowerOfTwo(bytesPerSector) && bytesPerSector >= 512 && bytesPerSector <= 4096;
  if (!saneSectors || !isPowerOfTwo(sectorsPerCluster)) return undefined;
  const media = head[21]!;
  if (readU16le(head, 14) === 0 || head[16] === 0 || (media !== 0xf0 && media < 0xf8)) {
    return undefined;
  }
  // FAT32 has no 16-bit FAT size, and its extended boot record lies further back.
  const ebr = readU16le(head, 22) === 0 ? 64 : 36;
  if (!hasAnyBit(head[ebr + 2]!, 0x28) || readU32le(head, 32) + readU16le(head, 19) === 0) {
    return undefined;
  }
  const serial = toHex(head.slice(ebr + 3, ebr + 7).toReversed()).toUpperCase();
  const label = decodeName(head.subarray(ebr + 7, ebr + 18)).trimEnd();
  return {
    type: 'vfat',
    usage: 'filesystem',
    label: label === 'NO NAME' ? '' : label,
    uuid: `${serial.slice(0, 4)}-${serial.slice(4)}`,
  };
}
