/** Raw disks: any file or block device, byte for byte. */
export { rawDriver } from './driver.ts';
