/** VHDX, the disk images of Hyper-V. */
export { vhdxDriver } from './driver.ts';
export type { VhdxDetails } from './image.ts';
