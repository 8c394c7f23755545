/** What commands have in common: standard output, terminals, how they end early, and QEMU's words. */
export { BrokenPipe, Interrupted } from './ended.ts';
export { damageOf } from './corruption-words.ts';
export { missingKeyWords, wordsOf, wordsOfWriting } from './disk-words.ts';
export { checkEncryption, keyFirst } from './encryption-words.ts';
export { formatName } from './format-names.ts';
export { type FormatSpecific, formatSpecific, formatSpecificText } from './format-specific.ts';
export { hostErrorText, numberedHostError } from './host-errors.ts';
export { isTerminal } from './is-terminal.ts';
export { compactJsonText, jsonText, type JsonValue } from './json.ts';
export { Output } from './output.ts';
export { printable } from './printable.ts';
export { type Progressed, ProgressLines } from './progress-lines.ts';
export { repairUnclosed } from './repair-unclosed.ts';
export { isProtocol } from './protocols.ts';
export { requestReason } from './request-words.ts';
export { shownFrom } from './shown-from.ts';
export { writeFailure } from './write-failure.ts';
export { hostCode, writeError, writeFully } from './write-fully.ts';
