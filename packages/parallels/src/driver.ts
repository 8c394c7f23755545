/** Recognises, opens and creates Parallels images. */
import type { FormatDriver } from '@diskfile/core';
import { createParallels } from './create.ts';
import { checkParallels } from './check.ts';
import { kindOf } from './header.ts';
import { openParallels } from './open.ts';
import { parallelsHeader } from './structs.ts';

export const parallelsDriver: FormatDriver = {
  id: 'parallels',
  aliases: [],
  abilities: { write: true, backing: 'none', compressed: 'none' },
  probe: ({ head }) =>
    head.length >= parallelsHeader.spanBytes && kindOf(head) !== undefined ? 'yes' : 'no',
  open: openParallels,
  create: createParallels,
  check: checkParallels,
};
