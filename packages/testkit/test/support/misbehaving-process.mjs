/** Stands in for the fuzzing process: hangs at input 3, dies at input 5, ends after input 8. */
import { openSync, writeSync } from 'node:fs';

const { statusPath, firstIndex } = JSON.parse(process.argv[2]);
const fd = openSync(statusPath, 'r+');
for (let index = firstIndex; index <= 8; index++) {
  writeSync(fd, new Float64Array([index, index - firstIndex, 0, 0]), 0, 32, 0);
  if (index === 3) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  if (index === 5) process.kill(process.pid, 'SIGABRT');
}
writeSync(fd, new Float64Array([-1, 9 - firstIndex, 0, 0]), 0, 32, 0);
