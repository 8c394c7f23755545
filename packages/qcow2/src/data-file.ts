/** The external data file, which holds the guest clusters in place of the image file. */
import { DiskError } from '@diskfile/bytes';
import { type OpenContext, parseImageName, quote, type Step, type Storage } from '@diskfile/core';
import { corrupt } from './errors.ts';
import { AUTOCLEAR, INCOMPATIBLE } from './header/features.ts';
import type { Qcow2Header } from './header/header.ts';

/**
 * Opens the data file through the gate; undefined for images that hold their data themselves.
 * @throws DiskError `corrupt` when the header asks for one and does not name it.
 */
export function* openDataFile(
  context: Pick<OpenContext, 'openNamed' | 'supplies'>,
  { features }: Qcow2Header,
  name: string | undefined,
): Step<Storage | undefined> {
  if (!features.incompatible.has(INCOMPATIBLE.externalDataFile)) {
    if (!features.autoclear.has(AUTOCLEAR.rawExternalData)) return undefined;
    if (context.supplies?.('data-file') === true) return undefined;
    throw corrupt(
      'qcow2.raw-without-data-file',
      'The header calls the external data file raw, but the image has none',
      { offset: 88 },
    );
  }
  if (name === undefined && context.supplies?.('data-file') === true) {
    return yield* context.openNamed({
      role: 'data-file',
      filename: '',
      offset: 0,
      lengthBytes: undefined,
    });
  }
  if (name === undefined) {
    throw corrupt(
      'qcow2.data-file-name',
      'The image keeps its data in an external file and does not name it',
      {
        offset: 72,
        hint: 'Set the name with "qemu-img amend -o data_file=NAME" on a copy of the image.',
      },
    );
  }
  const { format, ...file } = parseImageName(name, 'data-file');
  if (format === undefined || format === 'raw') return yield* context.openNamed(file);
  throw new DiskError(
    'unsupported',
    'qcow2.data-file-format',
    `The image names its data file ${quote(name)} in format ${quote(format)}; only raw ones exist`,
    { hint: 'Convert the image to one without a data file where it was made.' },
  );
}
