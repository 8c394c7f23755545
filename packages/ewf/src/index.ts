/** EWF, the forensic disk images of EnCase, FTK and SMART (E01, S01). */
export { ewfDriver } from './driver.ts';
export type { EwfDetails } from './image.ts';
