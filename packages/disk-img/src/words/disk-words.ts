/** What qemu-img says where the library has a sentence of its own. */
export { missingKeyWords, wordsOf, wordsOfWriting } from '@diskfile/command';
