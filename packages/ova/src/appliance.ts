/** An appliance in one file: a tar archive of an OVF descriptor and disks. */
import { decodeName, DiskError } from '@diskfile/bytes';
import {
  joinedStorage,
  type Limits,
  type NamedFile,
  quote,
  readBytes,
  type Step,
  type Storage,
} from '@diskfile/core';
import { type OvfDisk, parseOvf } from './ovf.ts';
import { broken, type Member, plainName, readMembers } from './tar.ts';

const MAX_DESCRIPTOR_BYTES = 4 * 1024 * 1024;

export class Appliance {
  readonly storage: Storage;
  readonly disks: readonly OvfDisk[];
  readonly members: readonly Member[];
  readonly #limits: Limits;

  private constructor(
    storage: Storage,
    limits: Limits,
    members: readonly Member[],
    disks: readonly OvfDisk[],
  ) {
    this.storage = storage;
    this.#limits = limits;
    this.members = members;
    this.disks = disks;
  }

  static *read(storage: Storage, limits: Limits): Step<Appliance> {
    const members = yield* readMembers(storage);
    const descriptor = members.find(({ name }) => /\.ovf$/i.test(name));
    if (descriptor === undefined) throw broken('The archive has no OVF descriptor', 0);
    const { offset, sizeBytes } = descriptor;
    if (sizeBytes > MAX_DESCRIPTOR_BYTES) throw broken('The OVF descriptor is too long', offset);
    const text = decodeName(yield* readBytes(storage, offset, sizeBytes));
    return new Appliance(storage, limits, members, parseOvf(text));
  }

  /** The disk of an id, a file name or a number from 0 on; the first one when undefined. */
  chooseDisk(wanted: string | undefined): OvfDisk {
    const { disks } = this;
    const chosen =
      wanted === undefined
        ? disks[0]
        : (disks.find(({ id, file }) => id === wanted || file === wanted) ??
          disks.find((_, index) => String(index) === wanted));
    if (chosen === undefined) throw this.#noSuchDisk(wanted);
    return chosen;
  }

  #noSuchDisk(wanted: string | undefined): DiskError {
    const known = this.disks.map(({ id }) => quote(id)).join(', ');
    const message =
      wanted === undefined
        ? 'The appliance has no disk with content'
        : `The appliance has no disk ${quote(wanted)}`;
    const hint = known === '' ? {} : { hint: `Its disks are ${known}.` };
    return new DiskError('not-found', 'ova.no-disk', message, hint);
  }

  /** A file of the archive, as storage; what is beside the archive is out of reach. */
  open(filename: string): Storage {
    const { storage } = this;
    // A member that is called so goes before one that the URI stands for.
    for (const name of new Set([plainName(filename), plainName(decodedUri(filename))])) {
      const parts = this.#partsOf(name);
      if (parts.length > 0) {
        const pieces = parts.map(({ offset, sizeBytes }) => ({
          storage,
          offset,
          lengthBytes: sizeBytes,
        }));
        return joinedStorage(pieces, this.#limits);
      }
    }
    const message = `The archive has no member ${quote(filename)}`;
    throw new DiskError('not-found', 'ova.no-member', message, { path: storage.name });
  }

  /** DSP0243, section 7.1: a large file may be cut into members, numbered from 000000000 on. */
  #partsOf(name: string): Member[] {
    const whole = this.members.find((member) => member.name === name);
    if (whole !== undefined) return [whole];
    const chunks = this.members
      .filter((member) => isChunkOf(member.name, name))
      .toSorted((one, other) => (one.name < other.name ? -1 : 1));
    const wanted = (index: number) => `${name}.${String(index).padStart(9, '0')}`;
    const missing = chunks.findIndex((chunk, index) => chunk.name !== wanted(index));
    if (missing >= 0) throw broken(`The archive lacks the member ${quote(wanted(missing))}`, 0);
    return chunks;
  }

  *openNamed({ filename, offset, lengthBytes }: NamedFile): Step<Storage> {
    if (offset === 0 && lengthBytes === undefined) return this.open(filename);
    throw new DiskError(
      'unsupported',
      'ova.window',
      `A disk of the appliance names a part of ${quote(filename)}`,
    );
  }
}

function isChunkOf(memberName: string, name: string): boolean {
  return memberName.startsWith(`${name}.`) && /^\d{9}$/.test(memberName.slice(name.length + 1));
}

/** Names in a descriptor are URIs, though few programs write them so. */
function decodedUri(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
