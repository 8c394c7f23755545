/** What qemu-img says where the library has a sentence of its own. */
export { wordsOf, wordsOfWriting } from '@diskfile/command';
