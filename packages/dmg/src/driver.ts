/** Recognises, opens and verifies UDIF images. */
import type { FormatDriver } from '@diskfile/core';
import { checkDmg } from './check.ts';
import { openDmg, openImage } from './open.ts';
import { findTrailer, isEncrypted, isTrailer } from './trailer.ts';

export const dmgDriver: FormatDriver = {
  id: 'dmg',
  aliases: ['udif'],
  abilities: { write: false, backing: 'none', compressed: 'read' },
  probesTail: true,
  probe: (input) => {
    const { head, tail } = input;
    const isDmg = isTrailer(head, 0) || findTrailer(tail) !== undefined || isEncrypted(input);
    return isDmg ? 'yes' : 'no';
  },
  open: openDmg,
  check: (context) => checkDmg(context, openImage),
};
