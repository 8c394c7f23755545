/** Formats as QEMU calls them, and what it tells of them. */

const NAMES: Readonly<Record<string, string>> = { vhd: 'vpc' };

export function formatName(id: string): string {
  return NAMES[id] ?? id;
}

/** Formats in which QEMU counts everything as allocated. */
const HIDING: ReadonlySet<string> = new Set(['vhd', 'vhdx', 'vdi', 'luks']);

export function hidesAllocation(format: string): boolean {
  return HIDING.has(format);
}
