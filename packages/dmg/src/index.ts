/** DMG, the disk images of Apple in the Universal Disk Image Format (UDIF). */
export { dmgDriver } from './driver.ts';
export type { DmgDetails } from './image.ts';
