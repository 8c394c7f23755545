/** An appliance in one file: a tar archive of an OVF descriptor and disks. */
import { decodeName, DiskError } from '@diskfile/bytes';
import {
  type Limits,
  mappedStorage,
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
    if (!chosen.isChunked) return chosen;
    throw new DiskError(
      'unsupported',
      'ova.chunked',
      `The disk ${quote(chosen.id)} is cut into several members of the archive`,
      { hint: 'Unpack the archive and join the parts.' },
    );
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
    const wanted = new Set([plainName(filename), plainName(decodedUri(filename))]);
    const member = this.members.find(({ name }) => wanted.has(name));
    if (member === undefined) {
      const message = `The archive has no member ${quote(filename)}`;
      throw new DiskError('not-found', 'ova.no-member', message, { path: this.storage.name });
    }
    const { storage } = this;
    const { offset, sizeBytes } = member;
    const map: Parameters<typeof mappedStorage>[1] = {
      sizeBytes,
      lookup(guestOffset, lengthBytes, extent) {
        extent.setData(storage, offset + guestOffset, lengthBytes);
        return true;
      },
      *load() {},
    };
    return mappedStorage(storage, map, { limits: this.#limits, startOffset: offset });
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

/** Names in a descriptor are URIs, though few programs write them so. */
function decodedUri(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
