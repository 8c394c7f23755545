/** Changes options of an image: `qemu-img amend`. */
import { DiskError } from '@diskfile/bytes';
import type { AmendContext, ImageAmender, Step } from '@diskfile/core';
import type { ClusterTables } from '../tables/cluster-tables.ts';
import { AUTOCLEAR } from '../header/features.ts';
import type { HostClusters } from '../allocation/host-clusters.ts';
import type { ImageState } from '../image.ts';
import type { MetadataWriter } from '../metadata-writer.ts';
import type { Options } from '../create/option-values.ts';
import { type Amendment, parseAmendOptions } from './amend-options.ts';
import { withOptions } from './header-changes.ts';
import { changeRefcountWidth } from './refcount-conversion.ts';
import { downgrade, upgrade } from './version-change.ts';

export interface AmenderParts {
  readonly tables: ClusterTables;
  readonly clusters: HostClusters;
  readonly writer: MetadataWriter;
  readonly state: ImageState;
  /** Bytes of an L1 table that is read. */
  readonly maxStructureBytes: number;
}

export class Qcow2Amender implements ImageAmender {
  readonly #parts: AmenderParts;

  constructor(parts: AmenderParts) {
    this.#parts = parts;
  }

  /**
   * Options are changed one after the other, each at one instant. What can be refused is refused
   * before the first; what fails later leaves those before it changed.
   */
  *amend(options: Options, context: AmendContext): Step<void> {
    const { tables, state, writer } = this.#parts;
    const { metadata } = tables;
    tables.refuseWhenCorrupt();
    const amendment = parseAmendOptions(options, metadata.header, state.backing);
    const { version, refcountBits, sizeBytes } = amendment;
    this.#refuseBitmaps(amendment);
    yield* writer.finish();
    if (version > metadata.header.version) {
      yield* upgrade(metadata, writer);
      this.#follow();
    }
    if (metadata.header.version === 3) yield* this.#setOptions(amendment);
    yield* changeRefcountWidth(metadata, writer, refcountBits);
    if (sizeBytes !== undefined) yield* context.resize(sizeBytes);
    if (version < metadata.header.version) {
      yield* downgrade(metadata, writer, this.#parts.maxStructureBytes);
      this.#follow();
    }
  }

  *#setOptions({ lazyRefcounts, dataFileRaw, dataFileName }: Amendment): Step<void> {
    const { headerWriter } = this.#parts.tables.metadata;
    const { features, lazyRefcounts: wasLazy } = headerWriter.header;
    const wasRaw = features.autoclear.has(AUTOCLEAR.rawExternalData);
    const isSame = lazyRefcounts === wasLazy && dataFileRaw === wasRaw;
    if (isSame && dataFileName === undefined) return;
    yield* headerWriter.rewrite((content) =>
      withOptions(content, features, { lazyRefcounts, dataFileRaw, dataFileName }),
    );
  }

  /** How entries are read follows the version. */
  #follow(): void {
    const { tables, clusters } = this.#parts;
    clusters.follow(tables.metadata.header);
  }

  #refuseBitmaps({ version }: Amendment): void {
    const { bitmaps = [] } = this.#parts.state;
    if (version === 3 || bitmaps.length === 0) return;
    throw new DiskError(
      'unsupported',
      'qcow2.amend.compat',
      'Version 2 has no bitmaps, and the image has some',
      { op: 'amend', format: 'qcow2', hint: 'Remove the bitmaps first.' },
    );
  }
}
