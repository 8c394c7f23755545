/** QED, the QEMU Enhanced Disk format. */
export { qedDriver } from './driver.ts';
export type { QedDetails } from './image.ts';
