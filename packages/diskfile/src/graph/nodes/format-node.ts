/** Nodes that are disk formats, with the children that QEMU gives them: `file`, `backing`, `data-file`. */
import { DiskError } from '@diskfile/bytes';
import { decoders, encoders } from '@diskfile/codec';
import {
  createImageDisk,
  type DiskFile,
  type DiskWarning,
  type FileRole,
  type GateRequest,
  openChain,
  type OpenGate,
  type Step,
  type Storage,
} from '@diskfile/core';
import { abandonDisk } from '../../chain/disk-steps.ts';
import { refuseBelow } from '../options/below-options.ts';
import { type BlockOptions, type ChildOptions, invalid } from '../options/block-options.ts';
import {
  belowOf,
  type DescribedBelow,
  openBeside,
  passphraseOf,
  refuseLeftOver,
  refuseUnknownFormat,
} from '../described-below.ts';
import {
  checkEncryption,
  type DescribedEncryption,
  peekTuning,
  refuseTuning,
  takeFormatOptions,
  takeEncryption,
} from '../options/format-options.ts';
import type { NodeDriver, NodeOpener, NodeRequest } from './node-driver.ts';
import type { NodeAccess } from '../options/node-options.ts';
import { withoutKept } from '../disks/null-disk.ts';
import { ProbedRawDisk } from '../disks/probed-raw-disk.ts';
import { compareProbed } from '../disks/verified-disk.ts';

export const formatNodeDriver: NodeDriver = {
  kind: 'format',
  *open(request) {
    return { disk: yield* openFormatNode(request) };
  },
};

/** An image that has not been looked into. */
export interface ImageFile {
  /** Closed by whoever asked for it. */
  readonly storage: Storage;
  /** Undefined where it is to be found out. */
  readonly format: string | undefined;
  /** What opens it, and the images below that are described. */
  readonly passphrases: readonly (Uint8Array | undefined)[];
}

/** An image's file, and what the node says of the others. */
export interface DescribedImage extends ImageFile {
  readonly below?: DescribedBelow | null | undefined;
  /** For what the image names. */
  readonly gate?: OpenGate;
}

/** Opens the file of an image alone; what else the node says is judged. */
export function* openFormatFile(request: NodeRequest): Step<DescribedImage> {
  const { name, options, access, opener } = request;
  if (name !== undefined) refuseUnknownFormat(name, opener.settings.formats);
  const file = fileChild(name, options);
  const passphrase = passphraseOf(opener, takeEncryption(name, options).id);
  const dataFile = options.takeChild('data-file');
  const below = belowOf({ ...request, isTop: false }, access);
  takeFormatOptions(name ?? 'qcow2', options);
  refuseLeftOver(name, options);
  const storage = yield* opener.openStorage(file, access);
  const passphrases = [passphrase, ...(below?.passphrases ?? [])];
  const gate = new DataFileGate(opener, access, { storage, dataFile });
  return { storage, format: name, passphrases, below, gate };
}

function* openFormatNode(request: NodeRequest): Step<DiskFile> {
  const { name, options, access, opener } = request;
  const { settings } = opener;
  if (name !== undefined) refuseUnknownFormat(name, settings.formats);
  const file = fileChild(name, options);
  const dataFile = options.takeChild('data-file');
  if (typeof dataFile?.reference === 'string') throw noSuchNode(dataFile.reference);
  const encryption = takeEncryption(name, options);
  const below = belowOf(request, access);
  const passphrase = passphraseOf(opener, encryption.id);
  const { asQemu } = settings;
  const tuning = { ...peekTuning(options, access.discards), asQemu, leavesNoise: asQemu };
  // Formats of QEMU hold one disk, and have no such option.
  const wanted = name === undefined || name === 'ova' ? options.takeText('disk') : undefined;
  const storage = yield* opener.openStorage(file, access);
  if (name === undefined) yield* compareProbed(storage);
  const gate = new DataFileGate(opener, access, { storage, dataFile });
  const warnings: DiskWarning[] = [];
  const opening = openChain(storage, {
    warnings,
    drivers: settings.formats,
    decoders: decoders(),
    gate,
    limits: settings.limits,
    format: name,
    ...(wanted === undefined ? {} : { disk: wanted }),
    snapshot: request.isTop ? settings.snapshot : undefined,
    writable: access.writable,
    followBacking: settings.followBacking,
    passphrases: [passphrase, ...(below?.passphrases ?? [])],
    secrets: settings.objects.secrets,
    tuning,
    ...(below === undefined ? {} : { below }),
  });
  const chain = yield* descriptionFirst(opening, request, encryption);
  const { format } = chain.layers[0]!;
  warnings.unshift(...opener.warnings.splice(0));
  const isProbedRaw = name === undefined && format === 'raw' && access.writable;
  if (isProbedRaw) warnings.push(probedRaw(storage));
  const { limits } = settings;
  const disk = createImageDisk(chain, { limits, encoders: encoders(), opening: undefined });
  try {
    refuseBelow(chain.layers[0]!, below);
    gate.refuseUnused();
    const method = encryptionOf(disk);
    checkEncryption(encryption, method);
    if (encryption.id !== undefined && method !== undefined) {
      settings.objects.secret(encryption.id);
    }
    refuseTuning(tuning, disk);
    takeFormatOptions(format, options, disk.topology.clusterBytes);
  } catch (error) {
    yield* abandonDisk(disk);
    throw error;
  }
  const known = format === 'raw' ? withoutKept(disk, storage, format) : disk;
  return isProbedRaw ? new ProbedRawDisk(known, settings.formats) : known;
}

/**
 * Where an image is not opened for want of its key, what the options say of its encryption is
 * judged first: another method, or a secret that there is not.
 */
function* descriptionFirst<T>(
  opening: Step<T>,
  { opener }: NodeRequest,
  encryption: DescribedEncryption,
): Step<T> {
  try {
    return yield* opening;
  } catch (error) {
    if (!(error instanceof DiskError) || error.code !== 'wrong-key') throw error;
    const { context, detail, message } = error;
    if ((context.depth ?? 0) > 0) throw error;
    checkEncryption(encryption, message.includes('(AES-CBC)') ? 'aes' : 'luks');
    const isKeyMissing = detail.endsWith('.passphrase-missing');
    if (isKeyMissing && encryption.id !== undefined) opener.settings.objects.secret(encryption.id);
    throw error;
  }
}

function noSuchNode(name: string): DiskError {
  return invalid(`Cannot find device='${name}' nor node-name='${name}'`);
}

function encryptionOf(disk: DiskFile): string | undefined {
  const { encryption } = disk.info()[0]!.details;
  return (encryption as { readonly method: string } | undefined)?.method;
}

function fileChild(name: string | undefined, options: BlockOptions): ChildOptions {
  const child = options.takeChild('file');
  if (child !== undefined && child.reference !== null) return child;
  throw invalid(
    name === undefined
      ? 'Must specify either driver or file'
      : 'A block device must be specified for "file"',
  );
}

/** Puts a data file that the user describes in the place of the one that an image names. */
class DataFileGate implements OpenGate {
  readonly #opener: NodeOpener;
  readonly #access: NodeAccess;
  readonly #inner: OpenGate;
  readonly #image: Storage;
  #dataFile: ChildOptions | undefined;

  constructor(
    opener: NodeOpener,
    access: NodeAccess,
    { storage, dataFile }: { storage: Storage; dataFile: ChildOptions | undefined },
  ) {
    this.#opener = opener;
    this.#access = access;
    this.#inner = opener.settings.makeGate(opener.lockingOf(access.forceShare));
    this.#image = storage;
    this.#dataFile = dataFile;
  }

  *open(request: GateRequest): Step<Storage> {
    const given = this.#dataFile;
    const { namedBy, file } = request;
    if (given === undefined || namedBy !== this.#image || file.role !== 'data-file') {
      return yield* this.#inner.open(request);
    }
    this.#dataFile = undefined;
    return yield* openBeside(this.#opener, given, this.#access);
  }

  supplies(role: FileRole, namedBy: Storage): boolean {
    return role === 'data-file' && namedBy === this.#image && this.#dataFile !== undefined;
  }

  refuseUnused(): void {
    if (this.#dataFile === undefined) return;
    throw invalid("'data-file' can only be set for images with an external data file");
  }
}

function probedRaw({ name }: Storage): DiskWarning {
  return {
    detail: 'graph.probed-raw',
    message:
      `Image format was not specified for '${name}' and probing guessed raw.\n` +
      '         Automatically detecting the format is dangerous for raw images, ' +
      'write operations on block 0 will be restricted.\n' +
      "         Specify the 'raw' format explicitly to remove the restrictions.",
  };
}
