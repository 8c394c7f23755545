/** Recognises, opens and creates QED images. */
import { readU32le } from '@diskfile/bytes';
import type { FormatDriver } from '@diskfile/core';
import { createQed } from './create.ts';
import { checkQed } from './check.ts';
import { openQed } from './open.ts';
import { QED_MAGIC, qedHeader } from './structs.ts';

export const qedDriver: FormatDriver = {
  id: 'qed',
  aliases: [],
  abilities: { write: true, backing: 'write', compressed: 'none' },
  probe: ({ head }) =>
    head.length >= qedHeader.spanBytes && readU32le(head, 0) === QED_MAGIC ? 'yes' : 'no',
  open: openQed,
  create: createQed,
  check: checkQed,
};
