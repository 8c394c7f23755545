/** Recognises Apple's images that grow. */
import { decodeName } from '@diskfile/bytes';
import type { FormatDriver } from '@diskfile/core';
import { openAsif } from './asif/open.ts';
import { MAGIC } from './asif/structs.ts';
import { openSparseImage } from './sparse-image/open.ts';
import { SIGNATURE } from './sparse-image/structs.ts';

function driverOf(id: string, magic: string, open: FormatDriver['open']): FormatDriver {
  return {
    id,
    aliases: [],
    abilities: { write: false, backing: 'none', compressed: 'none' },
    probe: ({ head }) => (decodeName(head.subarray(0, magic.length)) === magic ? 'yes' : 'no'),
    open,
  };
}

export const sparseImageDriver = driverOf('sparseimage', SIGNATURE, openSparseImage);

export const asifDriver = driverOf('asif', MAGIC, openAsif);
