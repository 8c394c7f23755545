/** What is said when an image is damaged or of a kind that nothing is known of. */
import { DiskError } from '@diskfile/bytes';

export function corrupt(detail: string, message: string, offset?: number): DiskError {
  return new DiskError('corrupt', detail, message, {
    ...(offset === undefined ? {} : { offset }),
    hint: 'Get the image anew from a backup.',
  });
}

/** Apple describes none of these formats, so what was never seen is not guessed at. */
export function unsupported(detail: string, message: string, offset?: number): DiskError {
  return new DiskError('unsupported', detail, message, {
    ...(offset === undefined ? {} : { offset }),
    hint: 'Convert the image on a Mac, with `hdiutil convert -format UDTO` or `diskutil image create from`.',
  });
}
