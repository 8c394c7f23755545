/** What work on chains of images is told: the path of the image, or what options describe. */
import { fullPath } from '@diskfile/command';
import { type ChainOptions, DiskError, type DiskFile, openGraphFile, type Storage } from 'diskfile';
import { Failure, type Program } from '../program.ts';
import type { ImageSource } from './image-source.ts';
import { OPEN_GATE, openImage, warnOfRaw, withDisk } from './open-image.ts';

export interface ChainTarget {
  /** A path, or a storage that the work closes. */
  readonly target: string | Storage;
  readonly options: Pick<ChainOptions, 'format' | 'gate' | 'asQemu' | 'passphrase' | 'secrets'>;
}

export interface InspectedImage {
  readonly format: string;
  readonly backing: { readonly name: string } | undefined;
  readonly isEncrypted: boolean;
}

export async function chainTarget(program: Program, source: ImageSource): Promise<ChainTarget> {
  const { path, graph, format, objects, passphrase } = source;
  const options = (
    id: string | undefined,
    given: ChainOptions['passphrase'],
  ): ChainTarget['options'] => ({
    gate: OPEN_GATE,
    asQemu: program.isLookAlike,
    secrets: objects.secrets,
    ...(id === undefined ? {} : { format: id }),
    ...(given === undefined ? {} : { passphrase: given }),
  });
  if (graph === undefined) return { target: path!, options: options(format, passphrase) };
  const file = await openGraphFile(graph, { objects, readOnly: false });
  return { target: file.storage, options: options(file.format, file.passphrases) };
}

/**
 * Looks at the image before the work begins, so that what stands in the way of opening it is told
 * of as that.
 */
export function inspect(
  program: Program,
  source: ImageSource,
  { backing = true }: { readonly backing?: boolean } = {},
): InspectedImage {
  const disk = openToChange(program, source, backing);
  try {
    const [image] = disk.info();
    if (source.format === undefined && source.graph === undefined && disk.format === 'raw') {
      warnOfRaw(program, source.filename);
    }
    const { format, backing: below, details } = image!;
    return { format, backing: below, isEncrypted: details['encryption'] !== undefined };
  } finally {
    disk.closeSync();
  }
}

/**
 * Work on a chain goes by what its images name: options that lay another chain below would be passed
 * over, and data would end in a file that nobody meant.
 */
export function refuseOtherBacking(program: Program, source: ImageSource): void {
  const { filename, graph } = source;
  if (graph === undefined) return;
  const given = [...graph.entries()].map(([name]) => name);
  const ofBacking = given.filter((name) => /^backing(\.|$)/.test(name) && !isOfKey(name));
  if (ofBacking.length === 0) return;
  const named = graph.copy();
  for (const name of ofBacking) named.take(name);
  const filesOf = (each: ImageSource): string =>
    withDisk(openImage(program, { source: each }), (disk) =>
      JSON.stringify(disk.info().map(({ path }) => fullPath(path))),
    );
  if (filesOf(source) === filesOf({ ...source, graph: named })) return;
  throw new Failure(
    `The options of '${filename}' give it another backing file than it names: change that first by rebase -u`,
  );
}

/** Keys of images below stay: an encrypted one is opened with them, whoever names it. */
function isOfKey(name: string): boolean {
  return /\.(encrypt\.[^.]+|key-secret)$/.test(name);
}

/** A writer is in the way of the lock of writers, which the image itself would be opened with. */
function openToChange(program: Program, source: ImageSource, backing: boolean): DiskFile {
  try {
    return openImage(program, { source, backing });
  } catch (error) {
    const ofImage = `Could not open '${source.filename}': Failed to get `;
    if (!(error instanceof Failure) || !error.message.startsWith(`${ofImage}shared "write"`)) {
      throw error;
    }
    throw new Failure(error.message.replace('shared "write"', '"write"'), { cause: error });
  }
}

/** Whether an error is of that detail. */
export function isDetail(error: unknown, detail: string): error is DiskError {
  return error instanceof DiskError && error.detail === detail;
}
