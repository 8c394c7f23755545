/** Recognises, opens and creates VHD images. */
import type { FormatDriver } from '@diskfile/core';
import { createVhd } from './create.ts';
import { openVhd } from './open.ts';
import { hasFooterAtEnd, isFooter } from './signature.ts';

/** `vpc` is QEMU's name. A fixed disk has nothing but its footer to be known by. */
export const vhdDriver: FormatDriver = {
  id: 'vhd',
  aliases: ['vpc'],
  abilities: { write: true, backing: 'write', compressed: 'none' },
  probesTail: true,
  probe: ({ head, tail }) => (isFooter(head) || hasFooterAtEnd(tail) ? 'yes' : 'no'),
  open: openVhd,
  create: createVhd,
};
