/** disk-io: exercises disk images, in the language of qemu-io. */
import { commandArguments, endProcess } from '@diskfile/command';
import { main } from './program/main.ts';

endProcess(await main([...process.argv.slice(0, 2), ...commandArguments()]));
