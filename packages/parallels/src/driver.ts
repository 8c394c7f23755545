/** Recognises, opens and creates Parallels images. */
import type { FormatDriver } from '@diskfile/core';
import { isDescriptor } from './bundle/signature.ts';
import { createParallels } from './create.ts';
import { checkParallels } from './check.ts';
import { kindOf } from './header.ts';
import { openParallels } from './open.ts';
import { parallelsHeader } from './structs.ts';

export const parallelsDriver: FormatDriver = {
  id: 'parallels',
  aliases: [],
  abilities: { write: true, backing: 'none', compressed: 'none' },
  probe: ({ head }) => (isImage(head) || isDescriptor(head) ? 'yes' : 'no'),
  open: openParallels,
  create: createParallels,
  check: checkParallels,
};

function isImage(head: Uint8Array): boolean {
  return head.length >= parallelsHeader.spanBytes && kindOf(head) !== undefined;
}
