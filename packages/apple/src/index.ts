/** Apple's disk images that grow: sparse images and ASIF. */
export { asifDriver, sparseImageDriver } from './driver.ts';
export type { AsifDetails } from './asif/image.ts';
export type { SparseImageDetails } from './sparse-image/image.ts';
