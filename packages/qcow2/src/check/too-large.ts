/** The refusal of structures that take more memory than may be spent on one. */
import { DiskError } from '@diskfile/bytes';

export function tooLarge(what: string, offset: number): DiskError {
  return new DiskError(
    'limit',
    'qcow2.check.too-large',
    `The ${what} of the image are larger than a structure may be`,
    { offset, hint: 'Raise limits.maxStructureBytes if the image can be trusted.' },
  );
}
