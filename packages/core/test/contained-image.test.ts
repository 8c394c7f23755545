import { describe, expect, it } from 'vitest';
import { detailOf } from '@diskfile/testkit';
import {
  asStorage,
  ContainedImage,
  createImageDisk,
  DEFAULT_LIMITS,
  type DiskFile,
  type Extent,
  type FormatDriver,
  mappedStorage,
  MemoryStorage,
  noDecoders,
  openChain,
  type OpenGate,
  runSync,
} from '../src/index.ts';

/** `BOX:` and what is in it; `BOX+` opens its neighbours itself. */
const boxDriver: FormatDriver = {
  id: 'box',
  aliases: [],
  abilities: { write: false, backing: 'none', compressed: 'none' },
  probe: ({ head }) => (text(head).startsWith('BOX') ? 'yes' : 'no'),
  *open(context) {
    const { storage } = context;
    const head = new Uint8Array(4);
    storage.readSync(head, 0);
    const sizeBytes = storage.sizeBytes - 4;
    const map = {
      sizeBytes,
      lookup(guestOffset: number, lengthBytes: number, extent: Extent) {
        extent.setData(storage, 4 + guestOffset, lengthBytes);
        return true;
      },
      *load() {},
    };
    const content = mappedStorage(storage, map, { limits: context.limits, startOffset: 4 });
    const openNamed = text(head) === 'BOX+' ? { openNamed: fromBox } : {};
    const inner = yield* context.openInner(content, openNamed);
    const details = { disk: context.disk };
    const box = { format: 'box', storage, content, details, disks: [{ name: 'only' }] };
    return new ContainedImage({ ...box, ...openNamed }, inner);
  },
};

function* fromBox() {
  return new MemoryStorage(Buffer.from('from the box'), 'box');
}

/** `OVER:` and the name of the image below. */
const overDriver: FormatDriver = {
  id: 'over',
  aliases: [],
  abilities: { write: false, backing: 'read', compressed: 'none' },
  probe: ({ head }) => (text(head).startsWith('OVER') ? 'yes' : 'no'),
  *open({ storage }) {
    const bytes = new Uint8Array(storage.sizeBytes);
    storage.readSync(bytes, 0);
    return {
      ...plain(storage),
      format: 'over',
      sizeBytes: 12,
      backing: { name: text(bytes).slice(5), format: 'plain' },
      lookup(_: number, lengthBytes: number, extent: Extent) {
        extent.setBacking(lengthBytes);
        return true;
      },
    };
  },
};

const plainDriver: FormatDriver = {
  id: 'plain',
  aliases: [],
  abilities: { write: false, backing: 'none', compressed: 'none' },
  probe: () => 'maybe',
  *open({ storage }) {
    return plain(storage);
  },
};

function plain(storage: MemoryStorage | Parameters<FormatDriver['open']>[0]['storage']) {
  return {
    format: 'plain',
    sizeBytes: storage.sizeBytes,
    topology: { logicalSectorBytes: 1, physicalSectorBytes: 1, clusterBytes: 1 },
    backing: undefined,
    dataMayBeSparse: false,
    storages: [storage],
    lookup(guestOffset: number, lengthBytes: number, extent: Extent) {
      extent.setData(storage, guestOffset, lengthBytes);
      return true;
    },
    *load() {},
    details: () => ({}),
  };
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}

const gate: OpenGate = {
  *open({ namedBy }) {
    return new MemoryStorage(Buffer.from(`beside ${namedBy.name}`), 'beside');
  },
};

function open(content: string, disk?: string): DiskFile {
  const chain = runSync(
    openChain(new MemoryStorage(Buffer.from(content), 'file'), {
      drivers: [boxDriver, overDriver, plainDriver],
      decoders: noDecoders,
      gate,
      limits: DEFAULT_LIMITS,
      format: undefined,
      snapshot: undefined,
      ...(disk === undefined ? {} : { disk }),
      writable: false,
      followBacking: true,
    }),
  );
  return createImageDisk(chain, { limits: DEFAULT_LIMITS, opening: undefined });
}

function read(disk: DiskFile): string {
  const bytes = new Uint8Array(disk.sizeBytes);
  disk.readSync(bytes, 0);
  return text(bytes);
}

describe('an image in a container', () => {
  it('is the disk, and the container the format', () => {
    const disk = open('BOX:BOX:content');
    expect(read(disk)).toBe('content');
    expect(disk.format).toBe('box');
    expect(disk.info()[0]!.details).toEqual({
      disk: undefined,
      contains: 'box',
      content: { disk: undefined, contains: 'plain', content: {} },
    });
    const [status] = [...disk.blockStatusSync()];
    expect([status!.storageName, status!.hostOffset]).toEqual(['file', 4]);
  });

  it('names files beside the container, unless that has its own', () => {
    expect(read(open('BOX:OVER:base'))).toBe('beside file\0');
    expect(read(open('BOX+OVER:base'))).toBe('from the box');
    expect(read(open('BOX+BOX:OVER:base'))).toBe('from the box');
  });

  it('is within some containers, not many', () => {
    expect(read(open(`${'BOX:'.repeat(4)}content`))).toBe('content');
    expect(detailOf(() => open(`${'BOX:'.repeat(5)}content`))).toBe('open.nested-too-deeply');
  });

  it('is chosen by name where there are several', () => {
    expect(open('BOX:content', 'only').info()[0]!.details['disk']).toBe('only');
    expect(detailOf(() => open('content', 'only'))).toBe('open.no-disks');
  });
});

it('block status knows no place of bytes that are made out of others', () => {
  const source = new MemoryStorage(Buffer.from('decoded'), 'file');
  let closed = 0;
  const storage = asStorage(source, { isDecoded: true, onClose: () => void (closed += 1) });
  const chain = { layers: [plain(storage)], storages: [storage], warnings: [] };
  const disk = createImageDisk(chain, { limits: DEFAULT_LIMITS, opening: undefined });
  expect([...disk.blockStatusSync()]).toEqual([
    {
      guestOffset: 0,
      lengthBytes: 7,
      data: true,
      zero: false,
      allocated: true,
      depth: 0,
      compressed: true,
      storageName: undefined,
      hostOffset: undefined,
    },
  ]);
  disk.closeSync();
  expect(closed).toBe(1);
});
