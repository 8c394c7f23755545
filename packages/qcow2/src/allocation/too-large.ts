import { DiskError } from '@diskfile/bytes';

/** The refusal of what offsets and tables of an image have no room for. */
export function tooLarge(): DiskError {
  return new DiskError(
    'limit',
    'qcow2.image-too-large',
    'The image has no room for more host clusters',
    { hint: 'Convert it to one with larger clusters.' },
  );
}
