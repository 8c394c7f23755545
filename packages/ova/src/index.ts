/** OVA: appliances in one file, with their disks. */
export { ovaDriver } from './driver.ts';
