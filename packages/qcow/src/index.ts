/** qcow version 1, the predecessor of qcow2. */
export { qcowDriver } from './driver.ts';
export type { QcowDetails } from './image.ts';
