/** disk-io: exercises disk images, in the language of qemu-io. */
import { commandArguments } from '@diskfile/command';
import { main } from './program/main.ts';

process.exitCode = await main([...process.argv.slice(0, 2), ...commandArguments()]);
