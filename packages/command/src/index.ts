/** What commands have in common: standard output, terminals, and how they end early. */
export { BrokenPipe, Interrupted } from './ended.ts';
export { isTerminal } from './is-terminal.ts';
export { Output } from './output.ts';
export { printable } from './printable.ts';
export { writeFailure } from './write-failure.ts';
