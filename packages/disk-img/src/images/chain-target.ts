/** What work on chains of images is told: the path of the image, or what options describe. */
import { type BlockOptions, type ChainOptions, DiskError } from 'diskfile';
import { Failure, type Program } from '../program.ts';
import type { ImageSource } from './image-source.ts';
import { OPEN_GATE, openImage, repairAsQemu, warnOfRaw } from './open-image.ts';

export interface ChainTarget {
  readonly target: string | BlockOptions;
  readonly options: Pick<
    ChainOptions,
    'format' | 'gate' | 'asQemu' | 'passphrase' | 'secrets' | 'objects'
  >;
}

export interface InspectedImage {
  readonly format: string;
  /** What the image names below it. */
  readonly backing: { readonly name: string } | undefined;
  /** Whether there is an image below it, whoever says so. */
  readonly hasBelow: boolean;
  readonly isEncrypted: boolean;
}

export function chainTarget(program: Program, source: ImageSource): ChainTarget {
  const { path, graph, format, objects, passphrase } = source;
  const how = { gate: OPEN_GATE, asQemu: program.isLookAlike, secrets: objects.secrets, objects };
  if (graph !== undefined) return { target: graph, options: how };
  const options = {
    ...how,
    ...(format === undefined ? {} : { format }),
    ...(passphrase === undefined ? {} : { passphrase }),
  };
  return { target: path!, options };
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
  repairAsQemu(program, source);
  const disk = openImage(program, { source: readable(source), backing, toChange: true });
  try {
    if (source.graph?.copy().takeFlag('read-only') === true) {
      throw new Failure(`Could not open '${source.filename}': Block node is read-only`);
    }
    const [image, ...below] = disk.info();
    if (source.format === undefined && source.graph === undefined && disk.format === 'raw') {
      warnOfRaw(program, source.filename);
    }
    const { format, backing: named, details } = image!;
    const isEncrypted = details['encryption'] !== undefined;
    return { format, backing: named, hasBelow: below.length > 0, isEncrypted };
  } finally {
    disk.closeSync();
  }
}

/** The image that a node lies over which has to write, to be looked at alone. */
function readable(source: ImageSource): ImageSource {
  if (source.graph?.peekText('driver') !== 'copy-on-read') return source;
  return readable({ ...source, graph: source.graph.copy().takeBelow('file.') });
}

/** Whether an error is of that detail. */
export function isDetail(error: unknown, detail: string): error is DiskError {
  return error instanceof DiskError && error.detail === detail;
}
