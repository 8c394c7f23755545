/**
 * Changes to the header. Everything that decides what the image is lies in its first sector, which
 * a host writes whole or not at all; what lies beyond (long names) is first written to a place that
 * the header in the file does not use. So each change takes effect at one instant.
 */
import { decodeName, DiskError } from '@diskfile/bytes';
import {
  type BackingReference,
  flushStorage,
  readBytes,
  type Step,
  type WritableStorage,
  writeBytes,
} from '@diskfile/core';
import { corrupt, hex } from './errors.ts';
import { AUTOCLEAR, type FeatureKind, featureWord, INCOMPATIBLE } from './features.ts';
import {
  decodeHeaderContent,
  extensionsEndOf,
  type HeaderContent,
  type HeaderLayout,
  layOutHeader,
} from './header-content.ts';
import {
  decodeExtensions,
  EXTENSION_TYPE,
  type HeaderExtensions,
  splitExtensions,
} from './header-extensions.ts';
import { HEADER_FIELDS_BYTES, parseHeader, type Qcow2Header } from './header.ts';

const SECTOR_BYTES = 512;

export class HeaderWriter {
  readonly #storage: WritableStorage;
  #header: Qcow2Header;
  #content: HeaderContent;
  #layout: HeaderLayout;
  /** Set when a write failed: the file may hold the header of before, or the one that was meant. */
  #uncertain = false;
  #corrupt = false;

  /** @param cluster the header cluster */
  constructor(storage: WritableStorage, cluster: Uint8Array) {
    this.#storage = storage;
    this.#header = parseHeader(cluster);
    this.#content = decodeHeaderContent(cluster);
    const { backingName, extensionsEnd } = this.#header;
    this.#layout = {
      bytes: cluster.slice(0, usedBytes(this.#content, backingName)),
      extensionsEnd: Math.min(extensionsEndOf(this.#content), extensionsEnd),
      nameOffset: backingName?.offset ?? 0,
    };
  }

  static *read(storage: WritableStorage, { clusterBytes }: Qcow2Header): Step<HeaderWriter> {
    return new HeaderWriter(storage, yield* readBytes(storage, 0, clusterBytes));
  }

  /** The header as the image has it now. */
  get header(): Qcow2Header {
    return this.#header;
  }

  get extensions(): HeaderExtensions {
    const { bytes, extensionsEnd } = this.#layout;
    const { headerLengthBytes, encryption } = this.#header;
    return decodeExtensions(splitExtensions(bytes, headerLengthBytes, extensionsEnd)!, encryption);
  }

  /** The image below, as the header names it. */
  get backing(): BackingReference | undefined {
    const { backingName } = this.#content;
    if (backingName === undefined) return undefined;
    return { name: decodeName(backingName), format: this.extensions.backingFormat };
  }

  /** Whether an overlap was met: nothing may be written any more. */
  get isCorrupt(): boolean {
    return this.#corrupt;
  }

  /** Whether a change failed half way: until {@link settle}, the file may have what was meant. */
  get isUncertain(): boolean {
    return this.#uncertain;
  }

  get isDirty(): boolean {
    return this.#header.features.incompatible.has(INCOMPATIBLE.dirty);
  }

  /**
   * Replaces the header by what `change` makes of it, durable when it returns. When this fails the
   * header of before holds, and {@link settle} makes that true of the file as well: until then
   * nothing that the new header names may be used for anything else.
   */
  *update(change: (content: HeaderContent) => HeaderContent): Step<void> {
    const content = change(this.#content);
    const layout = this.#layOut(content);
    const cluster = new Uint8Array(Math.max(this.#header.clusterBytes, HEADER_FIELDS_BYTES));
    cluster.set(layout.bytes);
    const header = parseHeader(cluster);
    try {
      yield* this.#write(layout);
    } catch (error) {
      this.#uncertain = true;
      throw error;
    }
    this.#header = header;
    this.#content = content;
    this.#layout = layout;
  }

  /** Writes the header once more when an earlier attempt to change it failed. */
  *settle(): Step<void> {
    if (!this.#uncertain) return;
    yield* writeBytes(this.#storage, firstSector(this.#layout.bytes), 0);
    yield* flushStorage(this.#storage);
    this.#uncertain = false;
  }

  /** @throws DiskError `invalid-argument` when the names do not fit in one cluster */
  #layOut(content: HeaderContent): HeaderLayout {
    const layouts = [content, withoutFeatureNames(content)].flatMap((each) =>
      this.#layouts(each, content.backingName === this.#content.backingName),
    );
    if (layouts.length === 0) throw namesTooLong(this.#header.clusterBytes);
    return layouts.find((layout) => this.#keepsCurrent(layout)) ?? layouts.at(-1)!;
  }

  /**
   * Where the name of the backing file may go: one that stays, where it is; else QEMU's place for
   * it comes first, and another only where the header in the file needs that.
   */
  #layouts(content: HeaderContent, sameName: boolean): HeaderLayout[] {
    const extensionsEnd = extensionsEndOf(content);
    const nameBytes = content.backingName?.length ?? 0;
    const kept = sameName ? this.#layout.nameOffset : 0;
    const behind = Math.max(extensionsEnd, this.#layout.bytes.length);
    return [kept, extensionsEnd, behind]
      .filter((at) => at >= extensionsEnd && at + nameBytes <= this.#header.clusterBytes)
      .map((at) => this.#withGap(layOutHeader(content, at)));
  }

  /** Leaves what lies between extensions and name as it is in the file. */
  #withGap(layout: HeaderLayout): HeaderLayout {
    const { bytes, extensionsEnd, nameOffset } = layout;
    const from = Math.max(extensionsEnd, SECTOR_BYTES);
    const to = Math.min(nameOffset, bytes.length);
    if (to > from) bytes.set(this.#layout.bytes.subarray(from, to), from);
    return layout;
  }

  /** Whether what lies beyond the first sector can be written without harm to the header of now. */
  #keepsCurrent({ bytes }: HeaderLayout): boolean {
    const { bytes: current, extensionsEnd, nameOffset } = this.#layout;
    const isUsed = (at: number) =>
      at < extensionsEnd || (this.#content.backingName !== undefined && at >= nameOffset);
    for (let at = SECTOR_BYTES; at < Math.min(bytes.length, current.length); at++) {
      if (isUsed(at) && bytes[at] !== current[at]) return false;
    }
    return true;
  }

  *#write({ bytes }: HeaderLayout): Step<void> {
    const { bytes: current } = this.#layout;
    const rest = bytes.subarray(SECTOR_BYTES);
    const same = rest.every((byte, at) => byte === current[SECTOR_BYTES + at]);
    if (!same || this.#uncertain) {
      yield* this.settle();
      yield* writeBytes(this.#storage, rest, SECTOR_BYTES);
      yield* flushStorage(this.#storage);
    }
    yield* writeBytes(this.#storage, firstSector(bytes), 0);
    yield* flushStorage(this.#storage);
  }

  /** Says whether refcounts may be out of date (specification, "Header": dirty bit). */
  *setDirty(dirty: boolean): Step<void> {
    yield* this.setFeature('incompatible', INCOMPATIBLE.dirty, dirty);
  }

  /** Sets or clears one feature bit of an image of version 3. */
  *setFeature(kind: FeatureKind, bit: number, on: boolean): Step<void> {
    const bits = new Set(this.#header.features[kind]);
    if (on) bits.add(bit);
    else bits.delete(bit);
    yield* this.update((content) => withFeatures(content, kind, bits));
  }

  /**
   * Marks the image as corrupt, so that nobody writes to it before it is repaired. Version 2 has no
   * such mark; there it holds for as long as the image is open.
   */
  *markCorrupt(): Step<void> {
    this.#corrupt = true;
    if (this.#header.version !== 3) return;
    yield* this.setFeature('incompatible', INCOMPATIBLE.corrupt, true);
  }

  /** Refuses to write over metadata. */
  *refuseOverlap(what: string, hostOffset: number): Step<never> {
    const message = `Writing at ${hex(hostOffset)} would overwrite the image's own ${what}`;
    return yield* this.#refuse('qcow2.overlap', message, hostOffset);
  }

  /** Refuses to use the cluster of the header, which counts as free. */
  *refuseHeaderCluster(use: string | undefined): Step<never> {
    if (use === undefined) return yield* this.refuseOverlap('header', 0);
    const message = `The header's cluster counts as free and would become a ${use}`;
    return yield* this.#refuse('qcow2.header-cluster-free', message, 0);
  }

  /** Marks the image as corrupt, and says why. */
  *#refuse(detail: string, message: string, hostOffset: number): Step<never> {
    let cause: unknown;
    try {
      yield* this.markCorrupt();
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      cause = error;
    }
    throw corrupt(detail, message, {
      offset: hostOffset,
      ...(cause === undefined ? {} : { cause }),
    });
  }

  /**
   * Clears the autoclear bits of features that writing here does not keep up (specification,
   * "Header": autoclear_features).
   * @param kept bits that stay where they are set, besides that of a raw data file
   */
  *clearAutoclear(kept: readonly number[]): Step<void> {
    const { autoclear } = this.#header.features;
    const left = [AUTOCLEAR.rawExternalData, ...kept].filter((bit) => autoclear.has(bit));
    if (left.length === autoclear.size) return;
    yield* this.update((content) => withFeatures(content, 'autoclear', new Set(left)));
  }

  *setRefcountTable(hostOffset: number, clusters: number): Step<void> {
    const place = { refcount_table_offset: hostOffset, refcount_table_clusters: clusters };
    yield* this.update(({ fields, ...rest }) => ({ ...rest, fields: { ...fields, ...place } }));
  }
}

/** A header of version 3 with all feature bits of one kind replaced. */
export function withFeatures(
  content: HeaderContent,
  kind: FeatureKind,
  bits: ReadonlySet<number>,
): HeaderContent {
  const { versionFields } = content;
  if (versionFields === undefined) throw new Error('assertion failed: version 2 has no features');
  const halves = {
    [`${kind}_features_high`]: featureWord(bits, 32),
    [`${kind}_features_low`]: featureWord(bits, 0),
  };
  return { ...content, versionFields: { ...versionFields, ...halves } };
}

/**
 * Feature names are for people only. Where they push other extensions out of the first sector, and
 * those change, they go.
 */
export function withoutFeatureNames(content: HeaderContent): HeaderContent {
  const extensions = content.extensions.filter(({ type }) => type !== EXTENSION_TYPE.featureNames);
  return { ...content, extensions };
}

function usedBytes(content: HeaderContent, name: Qcow2Header['backingName']): number {
  const nameEnd = name === undefined ? 0 : name.offset + name.lengthBytes;
  return Math.max(extensionsEndOf(content), nameEnd);
}

function firstSector(bytes: Uint8Array): Uint8Array {
  const sector = new Uint8Array(SECTOR_BYTES);
  sector.set(bytes.subarray(0, SECTOR_BYTES));
  return sector;
}

/** The refusal of names that find no room. */
export function namesTooLong(clusterBytes: number, detail = 'qcow2.names-too-long'): DiskError {
  return new DiskError(
    'invalid-argument',
    detail,
    `The names of backing and data file do not fit into a header of ${clusterBytes} bytes`,
    { format: 'qcow2', hint: 'Choose shorter names, or an image with larger clusters.' },
  );
}
