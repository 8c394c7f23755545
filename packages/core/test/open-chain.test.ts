import { DiskError } from '@diskfile/bytes';
import { describe, expect, it } from 'vitest';
import {
  closedGate,
  createImageDisk,
  DEFAULT_LIMITS,
  type FormatDriver,
  type FormatImage,
  MemoryStorage,
  noDecoders,
  openChain,
  type OpenChainOptions,
  type OpenGate,
  runAsync,
  runSync,
  type Step,
} from '../src/index.ts';
import { FakeImage } from './support/fake-image.ts';

class NamedStorage extends MemoryStorage {
  readonly open = new Set<string>();
  override readonly identity: undefined = undefined;

  constructor(text: string, name: string, register: Set<string>) {
    super(new TextEncoder().encode(text), name);
    this.open = register;
    register.add(name);
    Object.defineProperty(this, 'identity', { value: name });
  }

  override closeSync(): void {
    this.open.delete(this.name);
  }

  override async close(): Promise<void> {
    this.open.delete(this.name);
  }
}

/** `link:NAME` backs onto NAME, `bad` is corrupt. */
const linkDriver: FormatDriver = {
  id: 'link',
  aliases: ['lnk'],
  abilities: { write: false, backing: 'read', compressed: 'none' },
  probe: ({ head }) => (textOf(head).startsWith('link:') ? 'yes' : 'no'),
  *open({ storage }) {
    const bytes = new Uint8Array(storage.sizeBytes);
    storage.readSync(bytes, 0);
    const name = textOf(bytes).slice('link:'.length);
    if (name === 'bad') throw new DiskError('corrupt', 'link.bad', 'Bad link');
    return layer(name === '' ? undefined : { name, format: undefined });
  },
};

const plainDriver: FormatDriver = {
  id: 'plain',
  aliases: [],
  abilities: { write: false, backing: 'read', compressed: 'none' },
  probe: () => 'maybe',
  *open() {
    return layer(undefined);
  },
};

function layer(backing: FormatImage['backing']): FormatImage {
  const image = new FakeImage([{ kind: 'data', slot: 0, fill: 0 }]);
  Object.defineProperty(image, 'backing', { value: backing });
  return image;
}

function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

function setUp(files: Record<string, string>, options: Partial<OpenChainOptions> = {}) {
  const open = new Set<string>();
  const gate: OpenGate = {
    *open({ file }) {
      return new NamedStorage(files[file.filename]!, file.filename, open);
    },
  };
  const start = (name: string) =>
    openChain(new NamedStorage(files[name]!, name, open), {
      drivers: [plainDriver, linkDriver],
      decoders: noDecoders,
      gate,
      limits: DEFAULT_LIMITS,
      format: undefined,
      snapshot: undefined,
      writable: false,
      followBacking: true,
      ...options,
    });
  return { open, start };
}

describe('opening a chain', () => {
  it('follows backing names to the end, under both drivers', async () => {
    const { start, open } = setUp({ top: 'link:mid', mid: 'link:base', base: 'text' });
    expect(runSync(start('top')).layers.length).toBe(3);
    expect((await runAsync(start('top'))).storages.map(({ name }) => name)).toEqual([
      'top',
      'mid',
      'base',
    ]);
    expect([...open].toSorted()).toEqual(['base', 'mid', 'top']);
  });

  it.each([true, false])('closes all of it, whatever one of them says (sync: %s)', async (sync) => {
    const open = new Set<string>();
    class Failing extends NamedStorage {
      override closeSync(): void {
        super.closeSync();
        throw new DiskError('io', 'test.close', `${this.name} fails to close`);
      }

      override async close(): Promise<void> {
        this.closeSync();
      }
    }
    const gate: OpenGate = {
      *open({ file: { filename } }) {
        return new Failing(filename === 'mid' ? 'link:base' : 'text', filename, open);
      },
    };
    const run = (step: Step<unknown>) => (sync ? (async () => runSync(step))() : runAsync(step));
    const limits = { ...DEFAULT_LIMITS, maxChainLength: 2 };
    const { start } = setUp({ top: 'link:mid' }, { gate, limits });
    await expect(run(start('top'))).rejects.toMatchObject({ detail: 'open.chain-too-long' });
    expect([...open]).toEqual([]);

    const chain = runSync(setUp({ top: 'link:mid' }, { gate }).start('top'));
    const disk = createImageDisk(chain, { limits: DEFAULT_LIMITS, opening: undefined });
    expect(open.size).toBe(2);
    const closing = sync ? (async () => disk.closeSync())() : disk.close();
    await expect(closing).rejects.toThrowError('mid fails to close');
    expect([...open]).toEqual([]);
  });

  it('takes the given format and never probes it away', () => {
    const { start } = setUp({ top: 'link:base' }, { format: 'plain' });
    expect(runSync(start('top')).layers.length).toBe(1);
    const { start: byAlias } = setUp({ top: 'link:' }, { format: 'lnk' });
    expect(runSync(byAlias('top')).layers.length).toBe(1);
  });

  it('opens one image alone when asked to', () => {
    const { start } = setUp({ top: 'link:gone' }, { followBacking: false });
    expect(runSync(start('top')).layers.length).toBe(1);
  });

  it('asks to write the first image, one below it, and no other', () => {
    const asked: [name: string, writable: boolean][] = [];
    const gate: OpenGate = {
      *open({ file: { filename }, writable }) {
        asked.push([filename, writable]);
        return new NamedStorage(filename === 'mid' ? 'link:base' : 'text', filename, new Set());
      },
    };
    const { start } = setUp({ top: 'link:mid' }, { gate, writableDepth: 2 });
    const refusal = expect.objectContaining({ detail: 'open.not-writable' }) as Error;
    expect(() => runSync(start('top'))).toThrowError(refusal);
    expect(asked).toEqual([
      ['mid', false],
      ['base', true],
    ]);
    const { start: first } = setUp({ top: 'link:mid' }, { gate, writable: true });
    expect(() => runSync(first('top'))).toThrowError(refusal);
    expect(asked.length).toBe(2);
  });

  it.each([
    ['a cycle', { top: 'link:mid', mid: 'link:top' }, {}, 'open.chain-cycle'],
    ['itself', { top: 'link:top' }, {}, 'open.names-itself'],
    [
      'a long chain',
      Object.fromEntries(
        Array.from({ length: 140 }, (_, i) => [i === 0 ? 'top' : `${i}`, `link:${i + 1}`]),
      ),
      {},
      'open.chain-too-long',
    ],
    ['right magic, corrupt', { top: 'link:bad' }, {}, 'link.bad'],
    ['a corrupt base', { top: 'link:mid', mid: 'link:bad' }, {}, 'link.bad'],
    ['an unknown format', { top: 'x' }, { format: 'nonsense' }, 'open.unknown-format'],
    ['no driver that fits', { top: 'x' }, { drivers: [linkDriver] }, 'open.no-format'],
    ['a closed gate', { top: 'link:mid', mid: '' }, { gate: closedGate }, 'gate.closed'],
  ])('refuses %s and closes everything', async (_, files, options, detail) => {
    const { start, open } = setUp(files as unknown as Record<string, string>, options);
    expect(() => runSync(start('top'))).toThrowError(expect.objectContaining({ detail }) as Error);
    expect([...open]).toEqual([]);
    await expect(runAsync(start('top'))).rejects.toMatchObject({ detail });
    expect([...open]).toEqual([]);
  });

  it('says which file is at fault', () => {
    const { start } = setUp({ top: 'link:mid', mid: 'link:bad' });
    expect(() => runSync(start('top'))).toThrowError(
      expect.objectContaining({
        context: { op: 'open', path: 'mid', format: 'link', layer: 'format', depth: 1 },
      }) as Error,
    );
  });
});
