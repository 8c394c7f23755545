/** All segment files of an image, and what they say together. */
import { DiskError } from '@diskfile/bytes';
import {
  type DecoderSet,
  type DiskWarning,
  type Limits,
  type NamedFile,
  quote,
  readBytes,
  type Step,
  type Storage,
} from '@diskfile/core';
import { readTablePlace, type TablePlace } from './chunk-tables.ts';
import { type Digests, readDigests, readUnreadSectors, type UnreadSectors } from './digests.ts';
import { corrupt } from './errors.ts';
import { type HeaderValues, readHeaderValues } from './header-values.ts';
import { type Media, readMedia } from './media.ts';
import { readSections, type Section } from './sections.ts';
import { segmentName } from './segment-names.ts';
import { refuseOtherKinds, SIGNATURE } from './signatures.ts';
import { fileHeader } from './structs.ts';

/** Sections of all files together; a terabyte takes some thousands. */
const MAX_SECTIONS = 1024 * 1024;

/** What opening and checking have in common. */
export interface AcquisitionSource {
  readonly storage: Storage;
  readonly decoders: DecoderSet;
  readonly limits: Limits;
  warn(warning: DiskWarning): void;
  openNamed(file: NamedFile): Step<Storage>;
}

export interface Acquisition {
  readonly media: Media;
  readonly tables: readonly TablePlace[];
  readonly storages: readonly Storage[];
  readonly digests: Digests;
  readonly headerValues: HeaderValues;
  readonly unreadSectors: readonly UnreadSectors[];
}

export function* readAcquisition(source: AcquisitionSource): Step<Acquisition> {
  return yield* new AcquisitionReader(source).run();
}

class AcquisitionReader {
  readonly #source: AcquisitionSource;
  readonly #storages: Storage[] = [];
  readonly #tables: TablePlace[] = [];
  #media: Media | undefined;
  #sectionCount = 0;
  #digests: Digests = {};
  #headerValues: HeaderValues = {};
  #unreadSectors: UnreadSectors[] = [];

  constructor(source: AcquisitionSource) {
    this.#source = source;
  }

  *run(): Step<Acquisition> {
    let hasNext = true;
    for (let segment = 1; hasNext; segment++) {
      const storage = segment === 1 ? this.#source.storage : yield* this.#openSegment(segment);
      this.#storages.push(storage);
      yield* this.#checkHeader(storage, segment);
      const sections = yield* readSections(storage, MAX_SECTIONS - this.#sectionCount);
      this.#sectionCount += sections.length;
      yield* this.#readSegment(sections, segment);
      hasNext = sections.at(-1)!.type === 'next';
    }
    const media = this.#needMedia();
    this.#warnOfMissingChunks(media);
    return {
      media,
      tables: this.#tables,
      storages: this.#storages,
      digests: this.#digests,
      headerValues: this.#headerValues,
      unreadSectors: this.#unreadSectors,
    };
  }

  #openSegment(segment: number): Step<Storage> {
    const firstName = this.#source.storage.name.split(/[/\\]/).at(-1)!;
    const filename = segmentName(firstName, segment);
    if (filename === undefined) {
      throw new DiskError(
        'not-found',
        'ewf.segment-name',
        `The image goes on in segment ${segment}, and ${quote(firstName)} does not tell its name`,
        { hint: 'Give the files the names of a set: .E01, .E02 and so on.' },
      );
    }
    return this.#source.openNamed({ role: 'extent', filename, offset: 0, lengthBytes: undefined });
  }

  *#checkHeader(storage: Storage, segment: number): Step<void> {
    const bytes = yield* readBytes(storage, 0, fileHeader.spanBytes);
    refuseOtherKinds(bytes, storage.name);
    const { segment_number } = fileHeader.decode(bytes);
    if (segment_number === segment) return;
    if (segment > 1) {
      const message = `${storage.name} is segment ${segment_number} and stands for ${segment}`;
      throw corrupt('ewf.segment-number', message, SIGNATURE.length + 1, storage.name);
    }
    throw new DiskError(
      'invalid-argument',
      'ewf.not-first',
      `${storage.name} is segment ${segment_number} of a set`,
      { hint: 'Open the first one, .E01: the others are found by its name.' },
    );
  }

  *#readSegment(sections: readonly Section[], segment: number): Step<void> {
    const { limits } = this.#source;
    for (const [index, section] of sections.entries()) {
      switch (section.type) {
        case 'volume':
        case 'disk':
          this.#media ??= yield* readMedia(section, limits);
          break;
        case 'data':
          if (segment > 1) yield* this.#checkSet(section);
          break;
        case 'table': {
          const next = sections[index + 1];
          const copies = next?.type === 'table2' ? [section, next] : [section];
          this.#tables.push(yield* readTablePlace(copies, sections, limits));
          break;
        }
        case 'table2':
          // A mirror that stands alone is all there is.
          if (sections[index - 1]?.type === 'table') break;
          this.#tables.push(yield* readTablePlace([section], sections, limits));
          break;
        default:
          yield* this.#readNotes(section);
      }
    }
  }

  /** What the disk does not depend on. */
  *#readNotes(section: Section): Step<void> {
    if (section.type === 'header' || section.type === 'header2') {
      const values = yield* readHeaderValues(section, this.#source.decoders);
      this.#headerValues = { ...values, ...this.#headerValues };
    } else if (section.type === 'hash' || section.type === 'digest') {
      this.#digests = { ...this.#digests, ...(yield* readDigests(section)) };
    } else if (section.type === 'error2') {
      this.#unreadSectors = yield* readUnreadSectors(section);
    }
  }

  /** Later segments say again what they are part of. */
  *#checkSet(section: Section): Step<void> {
    const { setIdentifier } = this.#needMedia();
    const media = yield* readMedia(section, this.#source.limits);
    if (setIdentifier === undefined || media.setIdentifier === undefined) return;
    if (media.setIdentifier === setIdentifier) return;
    const { name } = section.storage;
    throw corrupt('ewf.set', `${name} is part of another image`, section.dataOffset, name);
  }

  #needMedia(): Media {
    if (this.#media !== undefined) return this.#media;
    const { name } = this.#source.storage;
    throw corrupt('ewf.no-volume', 'The image does not say how large the disk is', 0, name);
  }

  #warnOfMissingChunks({ chunkCount }: Media): void {
    const there = this.#tables.reduce((sum, { entryCount }) => sum + entryCount, 0);
    if (there >= chunkCount) return;
    this.#source.warn({
      detail: 'ewf.incomplete',
      message: `The image holds ${there} of ${chunkCount} chunks: making it was not finished`,
    });
  }
}
