/** What has to be true of an image after whatever was done to it, once it is closed. */
import type { DiskTrial } from './disk-trial.ts';
import { Mismatch } from './mismatch.ts';

/** Closes the disk; the independent verifier has to find nothing wrong, and nothing lost. */
export function expectSound(trial: DiskTrial): void {
  trial.close();
  const { errors, leaks } = trial.subject.verify(trial.files);
  if (errors.length > 0) throw new Mismatch(`the image is damaged: ${errors.join('; ')}`);
  if (leaks.length > 0) throw new Mismatch(`the image leaks: ${leaks.join('; ')}`);
}
