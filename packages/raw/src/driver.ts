/** The raw format: a disk without any structure of its own. */
import { DiskError } from '@diskfile/bytes';
import { type FormatDriver, quote } from '@diskfile/core';
import { RawImage } from './raw-image.ts';

/**
 * Any file will do, so a probe never says more than `maybe`. The aliases are names of QEMU's
 * protocol drivers, which old images give as the format of a raw backing file.
 */
export const rawDriver: FormatDriver = {
  id: 'raw',
  aliases: ['file', 'host_device'],
  probe: () => 'maybe',
  // eslint-disable-next-line require-yield
  *open({ storage, snapshot }) {
    if (snapshot !== undefined) {
      throw new DiskError(
        'unsupported',
        'raw.no-snapshots',
        `A raw disk has no snapshots, so none called ${quote(snapshot)}`,
        { hint: 'Open it without a snapshot, or state the format if it is not raw.' },
      );
    }
    return new RawImage(storage);
  },
};
