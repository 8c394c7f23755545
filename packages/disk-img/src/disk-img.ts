/** `disk-img`: work on disk images in the language of qemu-img. */
import { commandArguments, endProcess } from '@diskfile/command';
import { Program } from './program.ts';
import { runProgram } from './run-program.ts';

const [, path = 'disk-img'] = process.argv;
endProcess(await runProgram(new Program(path), commandArguments()));
