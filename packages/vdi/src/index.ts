/** VDI, the disk images of VirtualBox. */
export { vdiDriver } from './driver.ts';
export type { VdiDetails } from './image.ts';
