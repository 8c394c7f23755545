/** disk-io: exercises disk images, in the language of qemu-io. */
import { main } from './program/main.ts';

process.exitCode = await main(process.argv);
