/** Facts about a filesystem for `disk-info`; all of it can become JSON. */
import { decodeFixedText, formatUuid, hasAnyBit, isAllZero } from '@diskfile/bytes';
import { COMPAT, INCOMPAT } from './features.ts';
import type { ReplaySummary } from './journal/recovery.ts';
import type { Superblock } from './superblock.ts';

const STATE_CLEAN = 0x1;
const STATE_ERRORS = 0x2;
const ENCODINGS: Readonly<Record<number, string>> = { 1: 'utf8-12.1' };
const CREATORS = ['Linux', 'Hurd', 'Masix', 'FreeBSD', 'Lites'];
const DEFAULT_MOUNT_OPTIONS: Readonly<Record<number, string>> = {
  0x1: 'debug',
  0x2: 'bsdgroups',
  0x4: 'user_xattr',
  0x8: 'acl',
  0x10: 'uid16',
  0x100: 'nobarrier',
  0x200: 'block_validity',
  0x400: 'discard',
  0x800: 'nodelalloc',
};
const JOURNAL_MODES = [undefined, 'journal_data', 'journal_data_ordered', 'journal_data_writeback'];

/** @param replayed undefined when there was nothing to replay */
export function describeVolume(
  superblock: Superblock,
  replayed: ReplaySummary | undefined,
): Readonly<Record<string, unknown>> {
  const { fields, features } = superblock;
  return {
    features: features.names(),
    revision: fields.s_rev_level,
    creator: CREATORS[fields.s_creator_os] ?? `unknown (${fields.s_creator_os})`,
    state: describeState(fields.s_state),
    errorCount: fields.s_error_count,
    blockBytes: superblock.blockBytes,
    clusterBytes: superblock.blockBytes * superblock.blocksPerCluster,
    blockCount: superblock.blockCount,
    reservedBlocks: superblock.reservedBlocks,
    inodeBytes: superblock.inodeBytes,
    inodeCount: superblock.inodeCount,
    groupCount: superblock.groupCount,
    checksum: superblock.checksumKind,
    journal: describeJournal(superblock, replayed),
    encoding: describeEncoding(superblock),
    lastMountedOn: decodeFixedText(fields.s_last_mounted),
    defaultMountOptions: describeMountOptions(fields.s_default_mount_opts),
    createdAt: isoTime(fields.s_mkfs_time, fields.s_mkfs_time_hi),
    mountedAt: isoTime(fields.s_mtime, fields.s_mtime_hi),
    writtenAt: isoTime(fields.s_wtime, fields.s_wtime_hi),
    checkedAt: isoTime(fields.s_lastcheck, fields.s_lastcheck_hi),
  };
}

function describeState(state: number): string {
  const parts = [hasAnyBit(state, STATE_CLEAN) ? 'clean' : 'not clean'];
  if (hasAnyBit(state, STATE_ERRORS)) parts.push('with errors');
  return parts.join(' ');
}

function describeJournal(
  { features, fields }: Superblock,
  replayed: ReplaySummary | undefined,
): Readonly<Record<string, unknown>> {
  if (!features.hasCompat(COMPAT.HAS_JOURNAL)) return { location: 'none' };
  const place =
    fields.s_journal_inum === 0
      ? { location: 'external', uuid: externalUuid(fields.s_journal_uuid) }
      : { location: 'internal', inode: fields.s_journal_inum };
  return { ...place, state: replayed === undefined ? 'clean' : 'replayed', ...replayed };
}

function externalUuid(uuid: Uint8Array): string {
  return isAllZero(uuid) ? '' : formatUuid(uuid);
}

function describeEncoding({ features, fields }: Superblock): string | undefined {
  if (!features.hasIncompat(INCOMPAT.CASEFOLD)) return undefined;
  return ENCODINGS[fields.s_encoding] ?? `unknown (${fields.s_encoding})`;
}

function describeMountOptions(options: number): string[] {
  const names = Object.entries(DEFAULT_MOUNT_OPTIONS)
    .filter(([bit]) => hasAnyBit(options, Number(bit)))
    .map(([, name]) => name);
  const mode = JOURNAL_MODES[Math.floor(options / 0x20) % 4];
  return mode === undefined ? names : [...names, mode];
}

/** Seconds since 1970 with the eight bits that were added later; undefined when never set. */
function isoTime(seconds: number, high: number): string | undefined {
  const total = high * 2 ** 32 + seconds;
  return total === 0 ? undefined : new Date(total * 1000).toISOString();
}
