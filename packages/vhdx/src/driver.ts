/** Recognises, opens and creates VHDX disks. */
import type { FormatDriver } from '@diskfile/core';
import { createVhdx } from './create.ts';
import { checkVhdx } from './check.ts';
import { openVhdx } from './open.ts';
import { FILE_SIGNATURE } from './structs.ts';

export const vhdxDriver: FormatDriver = {
  id: 'vhdx',
  aliases: [],
  abilities: { write: true, backing: 'write', compressed: 'none' },
  probe: ({ head }) => (isVhdx(head) ? 'yes' : 'no'),
  open: openVhdx,
  create: createVhdx,
  check: checkVhdx,
};

function isVhdx(head: Uint8Array): boolean {
  return [...FILE_SIGNATURE].every((character, at) => head[at] === character.charCodeAt(0));
}
