/** Parallels disk images. */
export { parallelsDriver } from './driver.ts';
export type { ParallelsDetails } from './image.ts';
