/** Recognises, opens and creates LUKS-encrypted disks (version 1). */
import type { FormatDriver } from '@diskfile/core';
import { isLuks } from '@diskfile/crypto';
import { changeLuksKeySlots } from './change-key-slots.ts';
import { createLuks } from './create.ts';
import { measureLuks } from './measure.ts';
import { openLuksImage } from './open.ts';

export const luksDriver: FormatDriver = {
  id: 'luks',
  aliases: [],
  abilities: { write: true, backing: 'none', compressed: 'none' },
  probe: ({ head }) => (isLuks(head) ? 'yes' : 'no'),
  open: openLuksImage,
  create: createLuks,
  encrypts: () => true,
  measure: measureLuks,
  changeKeySlots: changeLuksKeySlots,
};
