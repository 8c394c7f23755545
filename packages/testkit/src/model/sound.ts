/** What has to be true of an image after whatever was done to it, once it is closed. */
import type { DiskModel } from './disk-model.ts';
import type { DiskTrial } from './disk-trial.ts';
import { Mismatch } from './mismatch.ts';

/**
 * Closes the disk; the independent verifier has to find nothing wrong, and nothing lost, and who
 * opens it again sees the same.
 */
export function expectSound(trial: DiskTrial, model: DiskModel): void {
  trial.close();
  const { errors, leaks, isDirty } = trial.subject.verify(trial.files);
  if (isDirty) throw new Mismatch('the image is not cleanly closed');
  if (errors.length > 0) throw new Mismatch(`the image is damaged: ${errors.join('; ')}`);
  if (leaks.length > 0) throw new Mismatch(`the image leaks: ${leaks.join('; ')}`);
  trial.reopen({ readOnly: true });
  trial.expectAll(model);
  trial.close();
}
