/** Set-up of the interop tests: wrappers of genuine tools come first in `PATH`. */
import { spawnSync } from 'node:child_process';
import { delimiter, join } from 'node:path';

const PATIENT = join(import.meta.dirname, '../../patient');
const path = process.env['PATH'] ?? '';
const isThere = spawnSync('qemu-img', ['--version'], { stdio: 'ignore' }).error === undefined;
if (isThere && !path.split(delimiter).includes(PATIENT)) {
  process.env['PATH'] = `${PATIENT}${delimiter}${path}`;
}
