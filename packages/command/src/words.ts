/** What QEMU says of an error of the library. */
import type { DiskError } from 'diskfile';

/** What is said of an error, or what makes it of the error. */
export type Words = string | ((error: DiskError) => string);
