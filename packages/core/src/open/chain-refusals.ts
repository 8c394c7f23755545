/** Why a chain of images cannot be opened. */
import { DiskError } from '@diskfile/bytes';
import type { FormatDriver } from '../format/format-driver.ts';
import type { Storage } from '../storage.ts';
import { type NamedFile, quote } from './reference.ts';

export function unknownFormat(
  { name }: Storage,
  format: string,
  drivers: readonly FormatDriver[],
): DiskError {
  return new DiskError(
    'unsupported',
    'open.unknown-format',
    `There is no disk format ${quote(format)}`,
    {
      op: 'open',
      path: name,
      hint: `Known formats: ${drivers.map(({ id }) => id).join(', ')}.`,
    },
  );
}

export function namesItself({ name }: Storage, role: NamedFile['role']): DiskError {
  return new DiskError('corrupt', 'open.names-itself', `The image names itself as its ${role}`, {
    op: 'open',
    path: name,
    hint: 'Rebase the image onto its true file.',
  });
}

export function chainCycle({ name }: Storage): DiskError {
  return new DiskError(
    'corrupt',
    'open.chain-cycle',
    'The backing chain comes back to an image that it has passed already',
    { op: 'open', path: name, hint: 'Rebase the image onto its true backing file.' },
  );
}

export function chainTooLong({ name }: Storage, maxChainLength: number): DiskError {
  return new DiskError(
    'limit',
    'open.chain-too-long',
    `The backing chain is longer than ${maxChainLength} images`,
    { op: 'open', path: name, hint: 'Raise limits.maxChainLength, or flatten the chain.' },
  );
}

export function noDisks({ name }: Storage, format: string, disk: string): DiskError {
  return new DiskError(
    'invalid-argument',
    'open.no-disks',
    `A ${format} image is one disk, so there is none called ${quote(disk)} in it`,
    { op: 'open', path: name, format },
  );
}

export function nestedTooDeeply(maxNesting: number): DiskError {
  return new DiskError(
    'limit',
    'open.nested-too-deeply',
    `There are containers within containers, more than ${maxNesting}`,
    { hint: 'Unpack the outer ones first.' },
  );
}

export function notWritable(format: string): DiskError {
  return new DiskError('unsupported', 'open.not-writable', `${format} images can only be read`, {
    hint: 'Open it read-only, or convert it to a format that can be written.',
  });
}
