/** Why a conversion came to nothing. */
import { DiskError } from 'diskfile';
import { expect, it } from 'vitest';
import { conversionWords } from '../src/words/conversion-words.ts';

const TARGET = { target: 'new', format: 'qcow2', list: '', sources: [], values: new Map() };

it('is a place on the disk where one is known, and no place in the file', () => {
  const error = new DiskError('no-space', 'storage.no-space', 'Cannot write new', {
    op: 'write',
    path: 'new',
    offset: 393_216,
  });
  expect(conversionWords(error, TARGET).message).toBe(
    'new: error while converting qcow2: No space left on device',
  );
  error.addContext({ request: 'write', guestOffset: 65_536 });
  expect(conversionWords(error, TARGET).message).toBe(
    'error while writing at byte 65536: No space left on device',
  );
});
