/** `open-image.mjs PATH OPTIONS`: opens an image, says how that went, and holds it until stdin ends. */
import { openDiskFileSync } from '../../../diskfile/dist/index.js';

const [path, options] = process.argv.slice(2);
try {
  const disk = openDiskFileSync(path, JSON.parse(options));
  process.stdout.write(`open ${disk.warnings.length}\n`);
  process.stdin.on('end', () => disk.closeSync()).resume();
} catch (error) {
  process.stdout.write(`${error.code}\n`);
}
