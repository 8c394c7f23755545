/** What is to become of an image, from options under the names of `qemu-img amend -o`. */
import { DiskError } from '@diskfile/bytes';
import type { BackingReference } from '@diskfile/core';
import { CREATE_OPTIONS } from '../create/create-options.ts';
import { AUTOCLEAR, INCOMPATIBLE } from '../header/features.ts';
import type { Qcow2Header } from '../header/header.ts';
import { invalidOption, type Options, OptionValues } from '../create/option-values.ts';

export interface Amendment {
  readonly version: 2 | 3;
  readonly refcountBits: number;
  readonly lazyRefcounts: boolean;
  /** New name of the external data file; empty for none, undefined to keep the one that there is. */
  readonly dataFileName: string | undefined;
  readonly dataFileRaw: boolean;
  /** Undefined to keep it. */
  readonly sizeBytes: number | undefined;
}

const SECTOR_BYTES = 512;
const AMEND_OPTIONS = new Set([
  'backing_file',
  'backing_fmt',
  'compat',
  'data_file',
  'data_file_raw',
  'lazy_refcounts',
  'refcount_bits',
  'size',
]);

/**
 * @throws DiskError `invalid-argument` for options that cannot be changed, or do not go together
 */
export function parseAmendOptions(
  options: Options,
  header: Qcow2Header,
  backing: BackingReference | undefined,
): Amendment {
  for (const name of Object.keys(options)) {
    if (!AMEND_OPTIONS.has(name)) throw notAmendable(name);
  }
  const values = new OptionValues(options, 'amend');
  const { incompatible, autoclear } = header.features;
  const amendment = {
    version: values.version(header.version),
    refcountBits: values.refcountBits(header.refcountBits),
    lazyRefcounts: values.flag('lazy_refcounts', header.lazyRefcounts),
    dataFileName: options['data_file'] === '' ? '' : values.text('data_file'),
    dataFileRaw: values.flag('data_file_raw', autoclear.has(AUTOCLEAR.rawExternalData)),
    sizeBytes: options['size'] === undefined ? undefined : values.byteCount('size', 0),
  };
  checkVersion(amendment, header);
  checkDataFile(amendment, {
    isExternal: incompatible.has(INCOMPATIBLE.externalDataFile),
    isRaw: autoclear.has(AUTOCLEAR.rawExternalData),
  });
  checkSize(amendment);
  checkBacking(values, backing);
  return amendment;
}

/** Version 2 (`compat=0.10`) knows none of what came later. */
function checkVersion(amendment: Amendment, header: Qcow2Header): void {
  const { version, refcountBits, lazyRefcounts } = amendment;
  if (version === 3) return;
  if (refcountBits !== 16) {
    const message = `Version 2 has refcounts of 16 bits, not ${refcountBits}`;
    throw refused('refcount_bits', message, 'Give compat=1.1, or refcount_bits=16.');
  }
  if (lazyRefcounts && !header.lazyRefcounts) {
    throw refused('lazy_refcounts', 'Version 2 has no lazy refcounts', 'Give compat=1.1 as well.');
  }
  const { incompatible } = header.features;
  if (incompatible.has(INCOMPATIBLE.externalDataFile)) {
    throw refused('compat', 'Version 2 has no external data files');
  }
  if (incompatible.has(INCOMPATIBLE.extendedL2)) {
    throw refused('compat', 'Version 2 has no extended L2 entries');
  }
}

function checkDataFile(
  { dataFileName, dataFileRaw }: Amendment,
  { isExternal, isRaw }: { isExternal: boolean; isRaw: boolean },
): void {
  if (dataFileName !== undefined && !isExternal) {
    throw refused('data_file', 'Only an image that has an external data file can name another one');
  }
  if (dataFileRaw && !isRaw) {
    const message = 'An image that was not made with data_file_raw cannot be given it';
    throw refused('data_file_raw', message, 'Convert it to one that is.');
  }
}

function checkSize({ sizeBytes = 0 }: Amendment): void {
  if (sizeBytes % SECTOR_BYTES === 0) return;
  throw refused('size', `The size has to be a multiple of ${SECTOR_BYTES}`);
}

/** Giving what is there already does no harm; `qemu-img amend` wants both to be right, too. */
function checkBacking(values: OptionValues, backing: BackingReference | undefined): void {
  const name = values.text('backing_file');
  const format = values.text('backing_fmt');
  if (name === undefined && format === undefined) return;
  if (name === backing?.name && format === backing?.format) return;
  throw refused(
    'backing_file',
    'The backing file cannot be amended',
    'Rebase the image instead, which keeps what it reads as.',
  );
}

function notAmendable(name: string): DiskError {
  const known = `Options that can be amended: ${[...AMEND_OPTIONS].join(', ')}.`;
  if (name.startsWith('encrypt.')) {
    return new DiskError('unsupported', 'qcow2.encrypted', 'Encryption is not available', {
      op: 'amend',
      hint: known,
    });
  }
  const quoted = JSON.stringify(name);
  return CREATE_OPTIONS.has(name)
    ? refused(name, `${quoted} can be chosen only when an image is made`, known)
    : refused(name, `qcow2 images have no option ${quoted}`, known);
}

function refused(option: string, message: string, hint?: string): DiskError {
  return invalidOption('amend', option, message, hint);
}
