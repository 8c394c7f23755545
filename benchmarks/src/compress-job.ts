/**
 * Writes the start of a raw disk into a new compressed qcow2 image:
 * `compress-job.js SOURCE BYTES TARGET zlib|zstd sync|async`. Prints its time and peak memory as
 * JSON. Loading the library is not in the time; creating and closing the image is.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { createDiskFile, openDiskFile } from 'diskfile';
import { peakResidentBytes } from './measure.ts';

const CHUNK_BYTES = 1024 * 1024;
const WRITES_AT_A_TIME = 4;

const [source = '', length = '0', target = '', compression = '', mode = ''] = process.argv.slice(2);
const sizeBytes = Number(length);
const fd = openSync(source, 'r');
const start = performance.now();
await createDiskFile(target, {
  format: 'qcow2',
  sizeBytes,
  options: { compression_type: compression },
});
const disk = await openDiskFile(target, { readOnly: false });
const writer = disk.capabilities.compression!;
let next = 0;

async function lane(): Promise<void> {
  const buffer = new Uint8Array(CHUNK_BYTES);
  while (next < sizeBytes) {
    const at = next;
    next += CHUNK_BYTES;
    const chunk = buffer.subarray(0, sizeBytes - at);
    readSync(fd, chunk, 0, chunk.length, at);
    if (mode === 'sync') writer.writeSync(chunk, at);
    else await writer.write(chunk, at);
  }
}

await Promise.all(Array.from({ length: mode === 'sync' ? 1 : WRITES_AT_A_TIME }, lane));
await disk.close();
const milliseconds = performance.now() - start;
closeSync(fd);
const peakBytes = peakResidentBytes() ?? process.resourceUsage().maxRSS * 1024;
process.stdout.write(JSON.stringify({ milliseconds, peakBytes }));
