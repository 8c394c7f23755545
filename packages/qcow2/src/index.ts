/** qcow2, versions 2 and 3: maps over the clusters of an image. */
export { checkQcow2 } from './check/check-qcow2.ts';
export type { Qcow2Details } from './details.ts';
export { qcow2Driver } from './driver.ts';
