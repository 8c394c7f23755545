/** VHD, the disk images of Virtual PC, Hyper-V and Azure. */
export { vhdDriver } from './driver.ts';
export type { VhdDetails } from './image.ts';
