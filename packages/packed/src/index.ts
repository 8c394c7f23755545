/** Disks packed with gzip, zstd, xz or lz4, read without unpacking them. */
export { gzipDriver, lz4Driver, xzDriver, zstdDriver } from './driver.ts';
