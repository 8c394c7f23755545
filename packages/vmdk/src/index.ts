/** VMDK, the disk images of VMware. */
export { vmdkDriver } from './driver.ts';
export type { VmdkDetails } from './image.ts';
