/** What a format is called in an image that names one of that format below it: QEMU's word for it. */
const STORED_NAMES: Readonly<Record<string, string>> = { vhd: 'vpc' };

export function storedFormat(format: string): string {
  return STORED_NAMES[format] ?? format;
}
