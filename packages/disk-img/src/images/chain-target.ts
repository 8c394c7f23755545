/** What work on chains of images is told: the path of the image, or what options describe. */
import { type ChainOptions, DiskError, openGraphFile, type Storage } from 'diskfile';
import type { Program } from '../program.ts';
import type { ImageSource } from './image-source.ts';
import { OPEN_GATE, openImage, warnOfRaw } from './open-image.ts';

export interface ChainTarget {
  /** A path, or a storage that the work closes. */
  readonly target: string | Storage;
  readonly options: Pick<ChainOptions, 'format' | 'gate'>;
}

export async function chainTarget(source: ImageSource): Promise<ChainTarget> {
  const { path, graph, format, objects } = source;
  const options = (id: string | undefined): ChainTarget['options'] =>
    id === undefined ? { gate: OPEN_GATE } : { gate: OPEN_GATE, format: id };
  if (graph === undefined) return { target: path!, options: options(format) };
  const file = await openGraphFile(graph, { objects, readOnly: false });
  return { target: file.storage, options: options(file.format) };
}

/**
 * Looks at the image before the work begins, so that what stands in the way of opening it is told
 * of as that.
 * @returns its format
 */
export function inspect(
  program: Program,
  source: ImageSource,
  { backing = true }: { readonly backing?: boolean } = {},
): { readonly format: string; readonly backing: { readonly name: string } | undefined } {
  const disk = openImage(program, { source, backing });
  try {
    const [image] = disk.info();
    if (source.format === undefined && source.graph === undefined && disk.format === 'raw') {
      warnOfRaw(program, source.filename);
    }
    return { format: image!.format, backing: image!.backing };
  } finally {
    disk.closeSync();
  }
}

/** Whether an error is of that detail. */
export function isDetail(error: unknown, detail: string): error is DiskError {
  return error instanceof DiskError && error.detail === detail;
}
