/** A disk format that can be recognised and opened. */
import type { DecoderSet } from '../decoder.ts';
import type { FormatOptions } from '../disk-capabilities.ts';
import type { Limits } from '../limits.ts';
import type { BackingReference, FileRole, NamedFile } from '../open/reference.ts';
import type { Step } from '../step.ts';
import type { Storage, WritableStorage } from '../storage.ts';
import type { CheckContext, CheckReport } from './check-report.ts';
import type { DiskWarning } from './disk-warning.ts';
import type { FormatDetails, FormatImage } from './format-image.ts';
import type { MeasureContext, Measurement } from './measure.ts';

/** Bytes from the start of a storage that a probe sees (fewer when it is shorter). */
export const PROBE_HEAD_BYTES = 64 * 1024;
/** Bytes from the end of a storage that a probe sees, where it looks at them. */
export const PROBE_TAIL_BYTES = 4096;

export interface ProbeInput {
  readonly head: Uint8Array;
  readonly tail: Uint8Array;
  readonly sizeBytes: number;
}

/**
 * `no`: wrong magic. `yes`: this format's magic, so any damage is this driver's to report.
 * `maybe`: nothing better fits (raw).
 */
export type ProbeVerdict = 'no' | 'maybe' | 'yes';

/** How an image is worked on while it is open; nothing of it is kept in the file. */
export interface FormatTuning {
  /** Whether refcounts may be behind until the image is closed, whatever the image says itself. */
  readonly lazyRefcounts?: boolean;
  /** Whether a VHD disk is as large as its geometry or as its footer, whoever made it. */
  readonly sizeSource?: 'geometry' | 'footer';
  /**
   * Which metadata writes are kept off, by the names of QEMU's options (`overlap-check.…`).
   * Undefined for all that is known without reading more.
   */
  readonly overlapChecks?: ReadonlySet<string>;
  /** Whether clusters that a qcow2 image gives up keep their space on the host. */
  readonly keepsFreedSpace?: boolean;
  /** Whether an image is worked on as QEMU does where that leaves or refuses more. */
  readonly asQemu?: boolean;
  /** Whether what an encrypted disk gains by a resize may read as anything, as QEMU leaves it. */
  readonly leavesNoise?: boolean;
}

export interface OpenContext {
  readonly storage: Storage;
  readonly decoders: DecoderSet;
  readonly limits: Limits;
  /** Whether the image is to be written; `storage` is a {@link WritableStorage} then. */
  readonly writable: boolean;
  /** Name or id of the internal snapshot to open in place of the active state. */
  readonly snapshot: string | undefined;
  /** What the image is encrypted with; without it an encrypted image tells only of itself. */
  readonly passphrase: Uint8Array | undefined;
  readonly tuning?: FormatTuning | undefined;
  /** Which disk to open of a file that holds several, by a name or number that the format has. */
  readonly disk: string | undefined;
  /** Whether the caller puts an image below this one, though it may name none. */
  readonly hasBelow?: boolean;
  warn(warning: DiskWarning): void;
  /** Opens a further file that the image names; the gate decides. The image's owner closes it. */
  openNamed(file: NamedFile): Step<Storage>;
  /** Whether whoever opens the image has such a file for it, though the image names none. */
  supplies?(role: FileRole): boolean;
  /**
   * Opens the image that is within this one, by a driver that is found by probing. For containers:
   * a compressed file, an archive. The chain closes `storage`.
   */
  openInner(storage: Storage, options?: InnerOptions): Step<FormatImage>;
}

export interface InnerOptions {
  /** Opens what the inner image names, in place of the gate. */
  openNamed?(file: NamedFile): Step<Storage>;
}

/** How far a format goes with something: not at all, reading what is there, or making it as well. */
export type Ability = 'none' | 'read' | 'write';

/** What becomes of key slots: each holds the key of the disk under a passphrase. */
export interface KeySlotChange {
  /** `active` to add a passphrase, `inactive` to erase one. */
  readonly state: 'active' | 'inactive';
  readonly newPassphrase?: Uint8Array;
  /** Erases all slots that it opens; with `slotIndex`, has to be what that slot holds. */
  readonly oldPassphrase?: Uint8Array;
  readonly slotIndex?: number;
  /** Time that the new passphrase takes to be tried; by default two seconds. */
  readonly iterationMilliseconds?: number;
  /** Erases the last slot, and overwrites one in use. */
  readonly force: boolean;
}

export interface KeySlotContext {
  readonly storage: WritableStorage;
  readonly limits: Limits;
  /** What opens the image. */
  readonly passphrase: Uint8Array;
  readonly change: KeySlotChange;
}

/** What a driver does beyond reading. Creating and checking are told by the methods it has. */
export interface FormatAbilities {
  /** Whether images can be opened for writing, in any of their kinds. */
  readonly write: boolean;
  /** Disks that hold what differs from an image below. */
  readonly backing: Ability;
  /** Data that is compressed in the image. */
  readonly compressed: Ability;
}

export interface FormatDriver {
  readonly id: string;
  /** Other names by which users and images call it; `id` is not among them. */
  readonly aliases: readonly string[];
  readonly abilities: FormatAbilities;
  /**
   * Whether the probe looks at the end of the storage, which is not read before somebody does: a host
   * may call space that it has only set aside data once it was read.
   */
  readonly probesTail?: true;
  /** Pure, and never throws, however short the input. */
  probe(input: ProbeInput): ProbeVerdict;
  open(context: OpenContext): Step<FormatImage>;
  /** Lays out a new image in an empty storage; left out by formats that are only read. */
  create?(context: CreateContext): Step<void>;
  /**
   * Whether an image that is created with `options` is encrypted; left out by formats that never are.
   * @throws DiskError `invalid-argument` for options that say neither
   */
  encrypts?(options: FormatOptions): boolean;
  /** Looks for damage, and repairs it if told so; left out by formats that have nothing to check. */
  check?(context: CheckContext): Step<CheckReport>;
  /** Changes which passphrases open an image; left out by formats that are opened by none. */
  changeKeySlots?(context: KeySlotContext): Step<void>;
  /** Tells how large an image would become; left out where that cannot be told beforehand. */
  measure?(context: MeasureContext): Step<Measurement>;
}

export interface CreateContext {
  /** Empty. */
  readonly storage: WritableStorage;
  /** Name that the image's file will have, without directories, for formats that note it. */
  readonly fileName?: string;
  readonly sizeBytes: number;
  /** What the format alone knows, under the names that qemu-img gives with `-o`. */
  readonly options: FormatOptions;
  /** What to encrypt the image with, where its options ask for that. */
  readonly passphrase?: Uint8Array;
  /** The image below; its size has been looked up and its name is stored as it stands. */
  readonly backing: BackingReference | undefined;
  /**
   * Reads what the image below says of itself, for formats that note more than its name. There
   * when `backing` is.
   */
  describeBacking?(): Step<FormatDetails>;
  /** Creates a further file that the image will name. The caller closes it. */
  createNamed(file: NamedFile): Step<WritableStorage>;
}

/** The driver that a user or an image means by `name`. */
export function findDriver(
  drivers: readonly FormatDriver[],
  name: string,
): FormatDriver | undefined {
  return drivers.find((driver) => driver.id === name || driver.aliases.includes(name));
}
