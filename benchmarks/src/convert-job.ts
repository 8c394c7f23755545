/**
 * Converts a disk as a command would: `convert-job.js SOURCE SOURCE-FORMAT TARGET FORMAT OPTIONS`,
 * the options as JSON. Like `qemu-img convert`, it leaves it to the host when all is durable.
 */
import { convertDiskFile } from 'diskfile';

const [source = '', sourceFormat = '', target = '', format = '', options = '{}'] =
  process.argv.slice(2);
await convertDiskFile(source, target, {
  format,
  durable: false,
  source: { format: sourceFormat },
  ...JSON.parse(options),
});
