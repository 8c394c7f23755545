/** What an image says of the one below it, and how it gives way to that. */
import { DiskError, encodeName } from '@diskfile/bytes';
import type { BackingReference, BackingWriter, Step } from '@diskfile/core';
import type { ZeroingContext } from '../tables/cluster-zeroing.ts';
import { dropContent } from '../tables/content-removal.ts';
import { AUTOCLEAR } from './features.ts';
import type { HeaderContent } from './header-content.ts';
import { EXTENSION_TYPE, MAX_FORMAT_NAME_BYTES } from './header-extensions.ts';
import { withExtension } from './header-forms.ts';
import { MAX_BACKING_NAME_BYTES } from './header-places.ts';
import type { MetadataWriter } from '../metadata-writer.ts';
import type { ImageMetadata } from '../metadata.ts';

export class Qcow2BackingWriter implements BackingWriter {
  readonly #metadata: ImageMetadata;
  readonly #zeroing: ZeroingContext;
  readonly #writer: MetadataWriter;

  constructor(zeroing: ZeroingContext, writer: MetadataWriter) {
    this.#metadata = zeroing.tables.metadata;
    this.#zeroing = zeroing;
    this.#writer = writer;
  }

  /** What was copied out of the old chain is durable before the header turns away from it. */
  *setBacking(backing: BackingReference | undefined): Step<void> {
    const { headerWriter } = this.#metadata;
    const { autoclear } = headerWriter.header.features;
    if (backing !== undefined) {
      // The data file alone has to read the same as the image.
      if (autoclear.has(AUTOCLEAR.rawExternalData)) throw rawDataFile();
      checkReference(backing);
    }
    yield* this.#writer.sync();
    yield* headerWriter.rewrite((content) => withBacking(content, backing));
  }

  *dropContent(): Step<void> {
    yield* dropContent(this.#zeroing, this.#writer);
  }
}

/** A header that names another image below, or none. */
function withBacking(content: HeaderContent, backing: BackingReference | undefined): HeaderContent {
  const format = backing?.format === undefined ? undefined : encodeName(backing.format);
  return {
    ...withExtension(content, EXTENSION_TYPE.backingFormat, format),
    backingName: backing === undefined ? undefined : encodeName(backing.name),
  };
}

function checkReference({ name, format = '' }: BackingReference): void {
  const nameBytes = encodeName(name).length;
  if (nameBytes === 0 || nameBytes > MAX_BACKING_NAME_BYTES) {
    throw refused(
      'qcow2.backing-name',
      `A backing file name has 1 to ${MAX_BACKING_NAME_BYTES} bytes; this one has ${nameBytes}`,
      'Choose a shorter path, for instance a relative one.',
    );
  }
  const formatBytes = encodeName(format).length;
  if (formatBytes > 0 && formatBytes <= MAX_FORMAT_NAME_BYTES) return;
  throw refused(
    'qcow2.backing-format',
    `The format of the backing file has to be stated, in 1 to ${MAX_FORMAT_NAME_BYTES} bytes`,
    'Without it the file would be probed, and a raw disk can look like anything.',
  );
}

function rawDataFile(): DiskError {
  return refused(
    'qcow2.backing-raw-data-file',
    'The data file of this image is to read the same as the image, so there can be no backing file',
    'Amend the image with data_file_raw=off first.',
  );
}

function refused(detail: string, message: string, hint: string): DiskError {
  return new DiskError('invalid-argument', detail, message, { format: 'qcow2', hint });
}
