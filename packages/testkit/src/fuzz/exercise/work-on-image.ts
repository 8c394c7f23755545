/** Does to an image of a stated format all that can be done: reads, checks, repairs and writes it. */
import type { CheckReport } from '@diskfile/core';
import { checkDiskFile, openDiskFile } from 'diskfile';
import { ContractViolation } from '../fuzz-target.ts';
import { SmallHostStorage, UntouchableStorage } from './guarded-storage.ts';
import { exerciseImage, type OpenImageOptions } from './open-image.ts';
import { tolerate } from './tolerate.ts';
import { exerciseWriting } from './write-disk.ts';
import { writingGate } from './writing-gate.ts';

/** Space that the host has beyond the image. */
const ROOM_BYTES = 16 * 1024 * 1024;
/** Each input is written or repaired, and always read. */
const WRITTEN_SHARE = 0.6;

export interface WorkOptions extends OpenImageOptions {
  /** False for formats that are not checked. */
  readonly isChecked: boolean;
}

export async function workOnImage(
  bytes: Uint8Array,
  choices: readonly number[],
  options: WorkOptions,
): Promise<void> {
  if (options.isChecked) await tolerate(() => check(bytes, options));
  const storage = new SmallHostStorage(bytes.slice(), bytes.length + ROOM_BYTES);
  if (choices.at(-1)! < WRITTEN_SHARE) {
    await tolerate(() => write(storage, Math.floor(choices[0]! * 2 ** 32), options));
  } else if (options.isChecked) await tolerate(() => repair(storage, options));
  await tolerate(() => exerciseImage(storage.bytes, choices.slice(0, 4), options));
  await exerciseImage(bytes, choices, options);
}

function check(bytes: Uint8Array, { format }: WorkOptions): Promise<CheckReport> {
  return checkDiskFile(new UntouchableStorage(bytes, 'image'), { format });
}

/** What is left has to be what the repair says is left. */
async function repair(storage: SmallHostStorage, options: WorkOptions): Promise<void> {
  const { format } = options;
  const report = await checkDiskFile(storage, { format, repair: 'all' });
  const again = await tolerate(() => check(storage.bytes, options));
  if (again === undefined) throw new ContractViolation('what was repaired cannot be checked');
  if (again.corruptions === report.corruptions && again.leaks === report.leaks) return;
  throw new ContractViolation(
    `after a repair there are ${again.corruptions} errors and ${again.leaks} leaks, ` +
      `not ${report.corruptions} and ${report.leaks}`,
  );
}

/** An image that is written is in order before and afterwards, as far as its check can tell. */
async function write(storage: SmallHostStorage, seed: number, options: WorkOptions) {
  const { format, backing, isChecked } = options;
  const gate = writingGate(backing, 0);
  const disk = await openDiskFile(storage, { format, gate, readOnly: false });
  await exerciseWriting(disk, seed);
  const isClosed = await tolerate(async () => {
    await disk.close();
    return true;
  });
  if (!isChecked || isClosed !== true) return;
  const { corruptions, findings } = await check(storage.bytes, options);
  // A count that is too high only costs space; to QEMU, in VDI, it is an error like others.
  const error = findings.find(({ kind }) => kind === 'error');
  if (corruptions === 0 || (error === undefined && findings.length > 0)) return;
  throw new ContractViolation(`writing has left ${error?.message ?? 'errors'}`);
}
