/** Why options cannot be changed, in the words of qemu-img. */
import { damageOf, requestReason } from '@diskfile/command';
import type { DiskError } from 'diskfile';
import type { OptionValues } from '../arguments/option-list.ts';
import { Failure } from '../program.ts';
import { namesNoTable } from './damaged-snapshot.ts';
import { wordsOf } from './disk-words.ts';

const WORDS: Readonly<Record<string, string>> = {
  'qcow2.amend.data_file': 'data-file can only be set for images that use an external data file',
  'qcow2.amend.lazy_refcounts':
    'Lazy refcounts only supported with compatibility level 1.1 and above ' +
    '(use compat=1.1 or greater)',
  'qcow2.amend.size': 'The new size must be a multiple of 512',
  'qcow2.amend.data_file_raw': 'data-file-raw cannot be set on existing images',
};

/** What keeps an image from becoming one of version 2, by a part of our message. */
const DOWNGRADE_WORDS: readonly (readonly [part: string, words: string])[] = [
  ['internal snapshot', 'Internal snapshots prevent downgrade of image'],
  ['external data file', 'Cannot downgrade an image with a data file'],
  ['extended L2', 'Cannot downgrade an image with incompatible features 0x10 set'],
  [
    'compressed with zstd',
    'Cannot downgrade an image with zstd compression type and existing compressed clusters',
  ],
];

export function amendmentWords(error: DiskError, values: OptionValues): Failure {
  const { detail } = error;
  if (detail === 'qcow2.amend.backing_file') {
    return new Failure('Cannot amend the backing file', {
      tail: "You can use 'qemu-img rebase' instead.\n",
      cause: error,
    });
  }
  const compat = values.get('compat')?.text;
  if (detail === 'qcow2.amend.compat' && !/^(0\.10|1\.1|v2|v3)$/.test(compat ?? '1.1')) {
    return new Failure(`Unknown compatibility level ${compat}`, { cause: error });
  }
  if (detail === 'qcow2.amend.compat') {
    const words = DOWNGRADE_WORDS.find(([part]) => error.message.includes(part))?.[1];
    if (words !== undefined) return new Failure(words, { cause: error });
  }
  if (/^(0\.10|v2)$/.test(compat ?? '')) {
    const expansion = `Failed to turn zero into data clusters: ${requestReason(error)}`;
    if (namesNoTable(error)) return new Failure([wordsOf(error), expansion], { cause: error });
    // What is wrong with the entry has been told.
    if (damageOf(error) !== undefined) return new Failure(expansion, { cause: error });
  }
  const count = /^The refcount of the cluster at (\S+) is (\d+), .* into (\d+) bits$/.exec(
    error.message,
  );
  if (count !== null) {
    return new Failure(
      `Cannot decrease refcount entry width to ${count[3]} bits: Cluster at offset ${count[1]} has ` +
        `a refcount of ${count[2]}`,
      { cause: error },
    );
  }
  if (detail === 'qcow2.amend.refcount_bits')
    return new Failure(refcountWords(values), { cause: error });
  return new Failure(WORDS[detail] ?? wordsOf(error), { cause: error });
}

function refcountWords(values: OptionValues): string {
  const bits = values.get('refcount_bits')?.value;
  if (bits === undefined) return 'compat=0.10 requires refcount_bits=16';
  const isWidth = typeof bits === 'number' && bits >= 1 && bits <= 64;
  if (!isWidth || !Number.isInteger(Math.log2(bits))) {
    return 'Refcount width must be a power of two and may not exceed 64 bits';
  }
  return (
    'Refcount widths other than 16 bits require compatibility level 1.1 or above ' +
    '(use compat=1.1 or greater)'
  );
}
