/** `disk-img`: work on disk images in the language of qemu-img. */
import { Program } from './program.ts';
import { runProgram } from './run-program.ts';

const [, path = 'disk-img', ...args] = process.argv;
process.exitCode = await runProgram(new Program(path), args);
