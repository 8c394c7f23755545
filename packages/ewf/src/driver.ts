/** Recognises, opens and verifies EWF images. */
import type { FormatDriver } from '@diskfile/core';
import { checkEwf } from './check.ts';
import { openEwf, openImage } from './open.ts';
import { isEwf } from './signatures.ts';

export const ewfDriver: FormatDriver = {
  id: 'ewf',
  aliases: ['e01'],
  abilities: { write: false, backing: 'none', compressed: 'read' },
  probe: ({ head }) => (isEwf(head) ? 'yes' : 'no'),
  open: openEwf,
  check: (context) => checkEwf(context, openImage),
};
