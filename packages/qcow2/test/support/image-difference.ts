/** Where two images differ that are meant to be the same, byte by byte. */
import { hex } from '../../src/errors.ts';
import { withoutDates } from './masked-dates.ts';
import { firstDifference } from './open-image.ts';

/** Free space at the end of a file may be cut off. @returns undefined for none */
export function imageDifference(ours: Uint8Array, theirs: Uint8Array): string | undefined {
  const length = Math.max(ours.length, theirs.length);
  const [one, other] = [ours, theirs].map((image) => {
    const whole = new Uint8Array(length);
    whole.set(withoutDates(image));
    return whole;
  });
  const at = firstDifference(one!, other!);
  return at === -1 ? undefined : hex(at);
}
