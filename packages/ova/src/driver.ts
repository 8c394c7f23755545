/** Recognises appliances, and opens one of their disks. */
import type { FormatDriver } from '@diskfile/core';
import { checkOva } from './check.ts';
import { openOva } from './open.ts';
import { beginsWithOvf } from './tar.ts';

export const ovaDriver: FormatDriver = {
  id: 'ova',
  aliases: [],
  abilities: { write: false, backing: 'none', compressed: 'read' },
  probe: ({ head }) => (beginsWithOvf(head) ? 'yes' : 'no'),
  open: openOva,
  check: checkOva,
};
