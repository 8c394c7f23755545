/** Opening the image that a command works on, with the refusals of qemu-img. */
import { checkEncryption, keyFirst, openingWarnings, repairUnclosed } from '@diskfile/command';
import {
  DiskError,
  type DiskFile,
  type DiskWarning,
  openDiskFileSync,
  openGraphSync,
  type OpenGate,
} from 'diskfile';
import { Failure, type Program } from '../program.ts';
import { wordsOf } from '../words/disk-words.ts';
import { openFailure } from '../words/open-failure.ts';
import type { ImageSource } from './image-source.ts';

export interface OpenRequest {
  readonly source: ImageSource;
  readonly writable?: boolean;
  readonly forceShare?: boolean;
  /** Internal snapshot to open in place of the active state. */
  readonly snapshot?: string | undefined;
  /** False to leave the images below alone. */
  readonly backing?: boolean;
  /** Whether an encrypted image does without its key, since only its header is looked at. */
  readonly withoutKey?: boolean;
  /** Which files the image may name, in place of all. */
  readonly gate?: OpenGate;
  /** Whether the image is only looked at before it is changed: what keeps writers off is told of. */
  readonly toChange?: boolean;
  /** How the command ends when the image cannot be opened. */
  readonly exitCode?: number;
}

/** Like qemu-img, the command opens whatever an image names. */
export const OPEN_GATE = { allow: 'any' } as const;

/** @throws Failure that says why the image cannot be opened */
export function openImage(program: Program, request: OpenRequest): DiskFile {
  const { source, writable = false, forceShare = false, snapshot, backing = true } = request;
  const how = {
    readOnly: !writable,
    forceShare,
    backing,
    gate: request.gate ?? OPEN_GATE,
    asQemu: program.isLookAlike,
    ...(snapshot === undefined ? {} : { snapshot }),
  };
  const wantsKey = request.withoutKey !== true;
  if (writable) program.isWriting = true;
  if (writable) repairAsQemu(program, source);
  try {
    const disk = openSource(source, how);
    tellWarnings(program, disk.warnings);
    if (program.isLookAlike) refuseAsQemu(disk, wantsKey);
    if (writable && source.format === undefined) warnOfProbing(program, source, disk);
    return disk;
  } catch (error) {
    const isKeyless = source.graph === undefined && source.passphrase === undefined;
    const reason = program.isLookAlike && wantsKey && isKeyless ? keyFirst(error) : error;
    const isWriting = writable || request.toChange === true;
    throw openFailure(source, reason, { exitCode: request.exitCode, writable: isWriting });
  }
}

/** What is told by our own name: what was asked for in vain, and what reads as it should not. */
const TOLD: ReadonlySet<string> = new Set(['graph.empty-backing', 'qcow2.cut-off']);

function tellWarnings(program: Program, warnings: readonly DiskWarning[]): void {
  if (program.isLookAlike) {
    const text = openingWarnings('qemu-img', warnings);
    if (text !== '') program.rawWarning(text);
    return;
  }
  for (const { detail, message } of warnings) {
    if (TOLD.has(detail)) program.warn(`warning: ${message}`);
  }
}

/** Comes before an image is opened to be changed. */
export function repairAsQemu(program: Program, source: ImageSource): void {
  const { path, format } = source;
  if (!program.isLookAlike || path === undefined) return;
  try {
    repairUnclosed(path, format, (line) => program.rawError(`${line}\n`));
  } catch (error) {
    throw openFailure(source, error, { writable: true });
  }
}

/** QEMU wants the key when it opens an image, whatever is done with it then. */
function refuseAsQemu(disk: DiskFile, wantsKey: boolean): void {
  try {
    checkEncryption(disk.info(), wantsKey);
  } catch (error) {
    closeQuietly(disk);
    throw error;
  }
}

type HowToOpen = Parameters<typeof openDiskFileSync>[1] & Parameters<typeof openGraphSync>[1];

/** As {@link openImage}, and with the library's own errors. */
export function openSource(source: ImageSource, how: HowToOpen): DiskFile {
  const { graph, path, format, objects, passphrase } = source;
  if (graph !== undefined) return openGraphSync(graph, { ...how, objects });
  return openDiskFileSync(path!, {
    ...how,
    secrets: objects.secrets,
    ...(format === undefined ? {} : { format }),
    ...(passphrase === undefined ? {} : { passphrase }),
  });
}

function warnOfProbing(program: Program, { filename, graph }: ImageSource, disk: DiskFile): void {
  const isWarned = disk.warnings.some(({ detail }) => detail === 'graph.probed-raw');
  if (isWarned || (graph === undefined && disk.format === 'raw')) warnOfRaw(program, filename);
}

/** A guest could write the header of another format there, and be probed as that. */
export function warnOfRaw(program: Program, filename: string): void {
  program.rawWarning(
    `WARNING: Image format was not specified for '${filename}' and probing guessed raw.\n` +
      '         Automatically detecting the format is dangerous for raw images, write operations ' +
      'on block 0 will be restricted.\n' +
      "         Specify the 'raw' format explicitly to remove the restrictions.\n",
  );
}

/** Does `work` with a disk and closes it, also when that fails. */
export function withDisk<T>(disk: DiskFile, work: (disk: DiskFile) => T): T {
  let result: T;
  try {
    result = work(disk);
  } catch (error) {
    closeQuietly(disk);
    throw error;
  }
  try {
    disk.closeSync();
  } catch (error) {
    throw new Failure(wordsOf(error), { cause: error });
  }
  return result;
}

export function closeQuietly(disk: DiskFile): void {
  try {
    disk.closeSync();
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
  }
}
