/** Recognises, opens and creates images of qcow version 1. */
import { readU32be } from '@diskfile/bytes';
import type { FormatDriver } from '@diskfile/core';
import { createQcow, encryptsQcow } from './create.ts';
import { openQcow } from './open.ts';
import { QCOW_MAGIC } from './structs.ts';

export const qcowDriver: FormatDriver = {
  id: 'qcow',
  aliases: [],
  abilities: { write: true, backing: 'write', compressed: 'write' },
  probe: ({ head }) =>
    head.length >= 8 && readU32be(head, 0) === QCOW_MAGIC && readU32be(head, 4) === 1
      ? 'yes'
      : 'no',
  open: openQcow,
  create: createQcow,
  encrypts: encryptsQcow,
};
