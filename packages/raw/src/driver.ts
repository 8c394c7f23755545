/** The raw format: a disk without any structure of its own. */
import { DiskError } from '@diskfile/bytes';
import {
  type FlatSize,
  type FormatDriver,
  quote,
  type Storage,
  writableStorage,
} from '@diskfile/core';
import { createRaw } from './create.ts';
import { measureRaw } from './measure.ts';
import { RawImage } from './raw-image.ts';
import { rawSize } from './raw-size.ts';
import { RawWriter } from './raw-writer.ts';

/**
 * Any file will do, so a probe never says more than `maybe`. The aliases are names of QEMU's
 * protocol drivers, which old images give as the format of a raw backing file.
 */
export const rawDriver: FormatDriver = {
  id: 'raw',
  aliases: ['file', 'host_device'],
  abilities: { write: true, backing: 'none', compressed: 'none' },
  probe: () => 'maybe',
  // eslint-disable-next-line require-yield
  *open({ storage, snapshot, writable }) {
    if (snapshot !== undefined) {
      throw new DiskError(
        'unsupported',
        'raw.no-snapshots',
        `A raw disk has no snapshots, so none called ${quote(snapshot)}`,
        { hint: 'Open it without a snapshot, or state the format if it is not raw.' },
      );
    }
    const size = rawSize(storage);
    return new RawImage(storage, size, writable ? writerOf(storage, size) : undefined);
  },
  create: createRaw,
  measure: measureRaw,
};

function writerOf(storage: Storage, size: FlatSize): RawWriter {
  const hint = 'Open it read-only, or join the parts of a split disk into one file.';
  return new RawWriter(writableStorage(storage, 'raw', hint), size);
}
