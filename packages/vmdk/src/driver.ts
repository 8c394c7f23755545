/** Recognises, opens, creates and checks VMDK disks. */
import type { FormatDriver } from '@diskfile/core';
import { createVmdk } from './create.ts';
import { checkVmdk } from './check.ts';
import { openVmdk } from './open.ts';
import { isDescriptor, isSparseMagic } from './signature.ts';

export const vmdkDriver: FormatDriver = {
  id: 'vmdk',
  aliases: [],
  abilities: { write: true, backing: 'write', compressed: 'write' },
  probe: ({ head }) => (isSparseMagic(head) || isDescriptor(head) ? 'yes' : 'no'),
  open: openVmdk,
  create: createVmdk,
  check: checkVmdk,
};
