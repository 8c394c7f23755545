/** LUKS-encrypted disks as images. */
export { luksDriver } from './driver.ts';
