/** The growing disk images of the emulator Bochs. */
export { bochsDriver } from './driver.ts';
export type { BochsDetails } from './image.ts';
