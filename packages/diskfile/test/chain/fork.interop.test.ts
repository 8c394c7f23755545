/** What `forkDiskFile` makes is what the genuine tools take it for. */
import { haveTools, writeMixedPayload } from '@diskfile/testkit';
import { afterAll, describe, expect, it } from 'vitest';
import { forkDiskFile } from '../../src/index.ts';
import { ImageTemplate, infoFacts } from '../support/twin-directories.ts';

const SIZE = 3 * 1024 * 1024;
const haveQemu = haveTools('qemu-img', 'qemu-io');

describe.skipIf(!haveQemu)('a fork', () => {
  const template = new ImageTemplate((directory) => {
    writeMixedPayload(directory.file('disk.raw'), SIZE, 11);
    const over = ['-b', 'disk.raw', '-F', 'raw'];
    directory.img('create', '-q', '-f', 'qcow2', ...over, 'disk.qcow2');
    directory.io('disk.qcow2', ['write -P 3 1M 300k', 'write -z 64k 200k']);
    directory.img('snapshot', '-c', 'kept', 'disk.qcow2');
  });
  afterAll(() => template.remove());

  it.each(['disk.qcow2', 'disk.raw'])(
    'of %s equals what qemu-img creates over it',
    async (name) => {
      using pair = template.twins();
      const format = name.endsWith('.raw') ? 'raw' : 'qcow2';
      const before = pair.snapshotOf(name);
      for (const overlay of ['theirs', 'clone']) {
        const below = ['-b', 'base', '-F', format];
        pair.theirs.img('create', '-q', '-f', 'qcow2', '-u', ...below, overlay, `${SIZE}`);
      }
      await forkDiskFile(pair.ours.file(name), {
        base: pair.ours.file('base'),
        clone: pair.ours.file('clone'),
        format,
      });
      expect(infoFacts(pair.ours, name)).toEqual(infoFacts(pair.theirs, 'theirs'));
      expect(infoFacts(pair.ours, 'clone')).toEqual(infoFacts(pair.theirs, 'clone'));
      for (const overlay of [name, 'clone']) {
        pair.ours.img('check', '-q', '-f', 'qcow2', overlay);
        pair.expectContent(overlay, before);
      }
      // Each goes its own way, and can be merged back.
      pair.ours.io('clone', ['write -P 8 2M 64k']);
      pair.expectContent(name, before);
      pair.ours.img('commit', '-q', '-f', 'qcow2', name);
      pair.expectContent('base', before);
    },
  );
});
