/** What conversions into new images and into those that are there have in common. */
import { hostErrorText } from '@diskfile/command';
import type { ConvertDiskFileOptions, DiskFile, KeptBacking, UserObjects } from 'diskfile';
import type { ConvertSettings } from './convert-settings.ts';
import type { CommandOptions } from '../arguments/options.ts';
import { OPEN_GATE } from '../images/open-image.ts';
import type { Backing } from '../images/new-image.ts';
import { Failure, type Program } from '../program.ts';
import type { QemuProgress } from '../report/qemu-progress.ts';

export interface Conversion {
  readonly program: Program;
  readonly options: CommandOptions;
  readonly settings: ConvertSettings;
  readonly list: string;
  /** Of the target. */
  readonly format: string;
}

export interface Work {
  readonly progress: QemuProgress;
  readonly signal: AbortSignal;
  readonly objects: UserObjects;
}

/** What goes for new images and for those that are there. */
export function commonOptions(
  { program, options, settings, format }: Conversion,
  { progress, signal, objects }: Work,
): ConvertDiskFileOptions {
  const { sparseBytes, bytesPerSecond, durable } = settings;
  return {
    format,
    gate: OPEN_GATE,
    secrets: objects.secrets,
    compress: options.has('c') && format !== 'vmdk',
    salvage: options.has('salvage'),
    outOfOrder: options.has('W'),
    durable,
    onProgress: progress.update,
    ...(program.isLookAlike ? { progressOf: 'data' } : {}),
    signal,
    ...(sparseBytes === undefined ? {} : { sparseBytes }),
    ...(bytesPerSecond === undefined ? {} : { bytesPerSecond }),
  };
}

/** QEMU leaves out what the top of the source does not have, whichever image below it is named. */
export function keptBacking(program: Program, backing: Backing): KeptBacking {
  return program.isLookAlike ? { ...backing, depth: 1 } : backing;
}

/** @throws Failure */
export function refuseJoinedOver(backing: unknown, disks: readonly DiskFile[]): void {
  if (backing === undefined || disks.length === 1) return;
  throw new Failure(
    'Having a backing file for the target makes no sense when concatenating multiple input images',
  );
}

/** QEMU has met them last to first. */
export function tellSkipped(program: Program, names: readonly string[]): void {
  for (const name of names.toReversed()) {
    program.warn(`warning: Skipping inconsistent bitmap '${name}'`);
  }
}

export function tellUnreadable(
  program: Program,
  ranges: readonly { readonly guestOffset: number }[],
): void {
  const reason = hostErrorText('EIO');
  for (const { guestOffset } of ranges) {
    program.warn(`warning: error while reading offset ${guestOffset}: ${reason}`);
  }
}
