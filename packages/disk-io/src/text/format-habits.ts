/**
 * What QEMU's drivers cannot do, or do in another way than the library: scripts that were written
 * for `qemu-io` see by it which driver they have before them.
 */

/** Formats in which QEMU counts everything as allocated. */
const HIDING: ReadonlySet<string> = new Set(['vhd', 'vhdx', 'vdi', 'luks']);

export function hidesAllocation(format: string): boolean {
  return HIDING.has(format);
}

/** Formats that can say that something is zeros: anything, or whole clusters. Others write zeros. */
export type ZeroHabit = 'any' | 'clusters' | 'none';

const ZEROING: Readonly<Record<string, ZeroHabit>> = {
  raw: 'any',
  qcow2: 'any',
  qed: 'clusters',
  quorum: 'any',
};

export function zeroHabit(format: string): ZeroHabit {
  return ZEROING[format] ?? 'none';
}

/** Formats that give space back. Others take a discard and keep everything as it is. */
const DISCARDING: ReadonlySet<string> = new Set(['raw', 'qcow2']);

export function discards(format: string): boolean {
  return DISCARDING.has(format);
}

/** Formats whose tables QEMU writes with every request, so that a process that is killed loses none. */
const WRITING_TABLES: ReadonlySet<string> = new Set(['qed', 'vmdk', 'vdi', 'vhd', 'qcow']);

export function writesTables(format: string): boolean {
  return WRITING_TABLES.has(format);
}

/** What a request waits for, of the one before: nothing, that its bytes are written, or its end. */
export type RequestOrder = 'beside' | 'behind data' | 'behind all';

const ORDERS: Readonly<Record<string, RequestOrder>> = {
  vhd: 'behind data',
  vhdx: 'behind data',
  vdi: 'behind data',
  parallels: 'behind data',
  vmdk: 'behind all',
};

export function requestOrder(format: string): RequestOrder {
  return ORDERS[format] ?? 'beside';
}

/** Formats that stay as they were opened until they are closed. */
const FIXED: ReadonlySet<string> = new Set(['parallels', 'quorum', 'blkverify']);

export function canReopen(format: string): boolean {
  return !FIXED.has(format);
}
