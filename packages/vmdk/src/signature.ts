/** By what the files of a VMDK disk are known. */
import { readU32le } from '@diskfile/bytes';
import { COWD_MAGIC, SPARSE_MAGIC } from './structs.ts';

const DESCRIPTOR_MARK = '# Disk DescriptorFile';

export function isSparseMagic(head: Uint8Array): boolean {
  if (head.length < 4) return false;
  const magic = readU32le(head, 0);
  return magic === SPARSE_MAGIC || magic === COWD_MAGIC;
}

export function isDescriptor(head: Uint8Array): boolean {
  for (let at = 0; at < DESCRIPTOR_MARK.length; at++) {
    if (head[at] !== DESCRIPTOR_MARK.charCodeAt(at)) return false;
  }
  return true;
}
