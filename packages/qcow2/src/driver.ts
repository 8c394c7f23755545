/** Recognises and opens qcow2 images, versions 2 and 3. */
import { readU32be } from '@diskfile/bytes';
import type { FormatDriver } from '@diskfile/core';
import { changeQcow2KeySlots } from './change-key-slots.ts';
import { createQcow2, encryptsQcow2 } from './create/create.ts';
import { checkQcow2 } from './check/check-qcow2.ts';
import { measureQcow2 } from './create/measure.ts';
import { openQcow2 } from './open.ts';
import { QCOW_MAGIC } from './structs.ts';

export const qcow2Driver: FormatDriver = {
  id: 'qcow2',
  aliases: [],
  abilities: { write: true, backing: 'write', compressed: 'write' },
  probe: ({ head }) =>
    head.length >= 8 && readU32be(head, 0) === QCOW_MAGIC && readU32be(head, 4) !== 1
      ? 'yes'
      : 'no',
  open: openQcow2,
  create: createQcow2,
  encrypts: encryptsQcow2,
  check: checkQcow2,
  measure: measureQcow2,
  changeKeySlots: changeQcow2KeySlots,
};
