/** Recognises growing images. */
import { decodeName } from '@diskfile/bytes';
import type { FormatDriver } from '@diskfile/core';
import { openBochs } from './open.ts';
import { MAGIC } from './structs.ts';

export const bochsDriver: FormatDriver = {
  id: 'bochs',
  aliases: [],
  abilities: { write: false, backing: 'none', compressed: 'none' },
  probe: ({ head }) => (decodeName(head.subarray(0, MAGIC.length)) === MAGIC ? 'yes' : 'no'),
  open: openBochs,
};
