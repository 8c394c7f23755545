/** Files for those who look at what an image says and read nothing of its disk. */
import { DiskError, hostGate, MemoryStorage, type OpenGate } from 'diskfile';
import { OPEN_GATE } from './open-image.ts';

const host = hostGate(OPEN_GATE);

/** Data files that are missing, or that the image does not name, are taken for empty ones. */
export const headerGate: OpenGate = {
  *open(request) {
    const { role, filename } = request.file;
    if (role !== 'data-file') return yield* host.open(request);
    try {
      if (filename !== '') return yield* host.open(request);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
    }
    return new MemoryStorage(new Uint8Array(0), filename);
  },
  supplies: (role) => role === 'data-file',
};

/** Whether that is what keeps an image from being opened. */
export function lacksDataFile(error: unknown): boolean {
  return error instanceof DiskError && LACKING.has(error.detail);
}

const LACKING: ReadonlySet<string> = new Set([
  'gate.not-found',
  'qcow2.data-file-name',
  'qcow2.raw-without-data-file',
]);
