/** ext2, ext3 and ext4: one driver, journals replayed in memory. */
export { ext4Driver } from './driver.ts';
