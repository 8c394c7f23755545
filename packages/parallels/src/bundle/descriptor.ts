/**
 * DiskDescriptor.xml: the files of a disk and how they lie over one another ("Parallels Disk
 * Format", whose names of elements these are).
 */
import { DiskError } from '@diskfile/bytes';
import { type MarkupElement, parseMarkup, quote } from '@diskfile/core';
import { SECTOR_BYTES } from '../structs.ts';
import { ROOT_ELEMENT } from './signature.ts';

const NO_GUID = '{00000000-0000-0000-0000-000000000000}';
/** The image that a guest writes to, unless TopGUID says otherwise. */
const TOP_GUID = '{5fbaabe3-6958-40ff-92a7-860e329aab41}';

export interface ImageEntry {
  readonly guid: string;
  readonly type: 'Plain' | 'Compressed';
  readonly file: string;
}

/** A range of the disk, and the images that hold it. */
export interface StorageEntry {
  readonly start: number;
  readonly end: number;
  readonly images: readonly ImageEntry[];
}

export interface DiskDescriptor {
  readonly sizeBytes: number;
  /** One behind the other, from the start of the disk to its end. */
  readonly storages: readonly StorageEntry[];
  readonly topGuid: string;
  /** Parents of images by their GUIDs; undefined for those that lie over none. */
  readonly parents: ReadonlyMap<string, string | undefined>;
}

/** @throws DiskError `corrupt`, or `unsupported` for disks that the specification does not cover */
export function parseDescriptor(bytes: Uint8Array): DiskDescriptor {
  const root = parseMarkup(bytes, (reason) => broken(`it is no XML: ${reason}`));
  if (root.name !== ROOT_ELEMENT) throw broken(`it begins with ${quote(root.name)}`);
  const parameters = need(root, 'Disk_Parameters');
  refuseUnknown(parameters);
  const sizeBytes = sectors(parameters, 'Disk_size');
  const storages = need(root, 'StorageData').all('Storage').map(parseStorage);
  storages.sort((one, other) => one.start - other.start);
  refuseGaps(storages, sizeBytes);
  const snapshots = root.child('Snapshots');
  return {
    sizeBytes,
    storages,
    topGuid: guidOf(snapshots?.child('TopGUID')) ?? TOP_GUID,
    parents: parentsOf(snapshots?.all('Shot') ?? []),
  };
}

function refuseUnknown(parameters: MarkupElement): void {
  const padding = parameters.child('Padding')?.text ?? '0';
  if (Number(padding) !== 0) {
    throw unsupported('parallels.padding', `The disk has the padding ${quote(padding)}`);
  }
  const engine = guidOf(parameters.child('Encryption')?.child('Engine'));
  if (engine !== undefined && engine !== NO_GUID) {
    throw unsupported('parallels.encrypted', `The disk is encrypted by the engine ${engine}`);
  }
}

function parseStorage(storage: MarkupElement): StorageEntry {
  const images = storage.all('Image').map(parseImage);
  if (images.length === 0) throw broken('a storage has no image');
  return { start: sectors(storage, 'Start'), end: sectors(storage, 'End'), images };
}

function parseImage(image: MarkupElement): ImageEntry {
  const guid = guidOf(need(image, 'GUID'))!;
  const { text: type } = need(image, 'Type');
  const { text: file } = need(image, 'File');
  if (type === 'Plain' || type === 'Compressed') return { guid, type, file };
  throw unsupported('parallels.image-type', `The disk has an image of the type ${quote(type)}`);
}

/** Where there are several storages, each has a range of the disk. */
function refuseGaps(storages: readonly StorageEntry[], sizeBytes: number): void {
  let reached = 0;
  for (const { start, end } of storages) {
    if (start !== reached || end < start) {
      throw broken(`a storage reaches from ${start} to ${end}, the one before it to ${reached}`);
    }
    reached = end;
  }
  if (reached !== sizeBytes) {
    throw broken(`the storages reach to ${reached} of ${sizeBytes} bytes`);
  }
}

function parentsOf(shots: readonly MarkupElement[]): Map<string, string | undefined> {
  const parents = new Map<string, string | undefined>();
  for (const shot of shots) {
    const guid = guidOf(need(shot, 'GUID'))!;
    const parent = guidOf(need(shot, 'ParentGUID'))!;
    if (parents.has(guid)) throw broken(`${quote(guid)} has two parents`);
    parents.set(guid, parent === NO_GUID ? undefined : parent);
  }
  return parents;
}

function guidOf(element: MarkupElement | undefined): string | undefined {
  return element?.text.toLowerCase();
}

function sectors(parent: MarkupElement, name: string): number {
  const { text } = need(parent, name);
  const bytes = /^\d{1,16}$/.test(text) ? Number(text) * SECTOR_BYTES : Number.NaN;
  if (Number.isSafeInteger(bytes)) return bytes;
  throw broken(`${name} is ${quote(text)}`);
}

function need(parent: MarkupElement, name: string): MarkupElement {
  const child = parent.child(name);
  if (child !== undefined) return child;
  throw broken(`${quote(parent.name)} has no ${name}`);
}

export function broken(reason: string): DiskError {
  const message = `The descriptor of the disk is broken: ${reason}`;
  return new DiskError('corrupt', 'parallels.descriptor', message, {
    hint: 'Get DiskDescriptor.xml anew from a backup; the files beside it can be opened by themselves.',
  });
}

function unsupported(detail: string, message: string): DiskError {
  return new DiskError('unsupported', detail, message, {
    hint: 'Convert it to a plain or expanding disk with prl_disk_tool.',
  });
}
