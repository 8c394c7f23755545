/** The kinds of EWF files, told apart by their first eight bytes. */
import { DiskError } from '@diskfile/bytes';
import { corrupt } from './errors.ts';

const LATER_BYTES = '\x0d\x0a\xff\0';
export const SIGNATURE = `EVF\x09${LATER_BYTES}`;

/** Kinds that are known and not read. */
const OTHER_KINDS: Readonly<Record<string, string>> = {
  [`LVF\x09${LATER_BYTES}`]: 'a logical evidence file (EWF-L01), which holds files and no disk',
  'EVF2\x0d\x0a\x81\0': 'an EWF version 2 image (Ex01)',
  'LEF2\x0d\x0a\x81\0': 'a logical evidence file (Lx01), which holds files and no disk',
};

export function signatureOf(head: Uint8Array): string {
  return String.fromCharCode(...head.subarray(0, SIGNATURE.length));
}

/** Whether a file is of any kind of EWF. */
export function isEwf(head: Uint8Array): boolean {
  const signature = signatureOf(head);
  return signature === SIGNATURE || Object.hasOwn(OTHER_KINDS, signature);
}

/** @throws DiskError unless the file is part of an EWF disk image, version 1 */
export function refuseOtherKinds(head: Uint8Array, path: string): void {
  const signature = signatureOf(head);
  if (signature === SIGNATURE) return;
  if (!Object.hasOwn(OTHER_KINDS, signature)) {
    throw corrupt('ewf.signature', 'The file has not the signature of an EWF image', 0, path);
  }
  throw new DiskError(
    'unsupported',
    'ewf.kind',
    `The file is ${OTHER_KINDS[signature]}; that is not read`,
    { path, hint: 'Export it as E01 or raw with the program that made it.' },
  );
}
