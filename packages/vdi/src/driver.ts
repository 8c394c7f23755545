/** Recognises, opens and creates VDI images. */
import { readU32le } from '@diskfile/bytes';
import type { FormatDriver } from '@diskfile/core';
import { createVdi } from './create.ts';
import { checkVdi } from './check.ts';
import { openVdi } from './open.ts';
import { VDI_SIGNATURE } from './structs.ts';

export const vdiDriver: FormatDriver = {
  id: 'vdi',
  aliases: [],
  abilities: { write: true, backing: 'read', compressed: 'none' },
  probe: ({ head }) => (head.length >= 68 && readU32le(head, 64) === VDI_SIGNATURE ? 'yes' : 'no'),
  open: openVdi,
  create: createVdi,
  check: checkVdi,
};
