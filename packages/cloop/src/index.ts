/** cloop, the compressed images of live CDs. */
export { cloopDriver } from './driver.ts';
export type { CloopDetails } from './image.ts';
