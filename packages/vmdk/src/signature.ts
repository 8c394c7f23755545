/** By what the files of a VMDK disk are known. */
import { readU32le } from '@diskfile/bytes';
import { COWD_MAGIC, SPARSE_MAGIC } from './structs.ts';

/**
 * Most begin with this comment, but nothing in the format says that they have to: QEMU goes by the
 * version, the first entry behind comments and empty lines.
 */
const DESCRIPTOR_MARK = /^(?:\xef\xbb\xbf)?# ?Disk DescriptorFile/i;
const DESCRIPTOR_START =
  /^(?:\xef\xbb\xbf)?(?:[ \t]*(?:#[^\r\n]*)?[\r\n])*version=[1-3][ \t]*[\r\n]/;
/** Comments that are longer are none of a descriptor. */
const SEARCHED_BYTES = 2048;

export function isSparseMagic(head: Uint8Array): boolean {
  if (head.length < 4) return false;
  const magic = readU32le(head, 0);
  return magic === SPARSE_MAGIC || magic === COWD_MAGIC;
}

export function isDescriptor(head: Uint8Array): boolean {
  const text = String.fromCharCode(...head.subarray(0, SEARCHED_BYTES));
  return DESCRIPTOR_MARK.test(text) || DESCRIPTOR_START.test(text);
}
