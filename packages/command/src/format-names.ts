/** Formats by QEMU's names. */

const NAMES: Readonly<Record<string, string>> = { vhd: 'vpc' };

/** What QEMU calls a format of the library. */
export function formatName(id: string): string {
  return NAMES[id] ?? id;
}
