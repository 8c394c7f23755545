/** The state of a virtual machine, kept in an image behind the bytes of its disk. */
import { DiskError } from '@diskfile/bytes';
import { checkArgument, describeValue } from '../../arguments.ts';
import type { DiskVmState } from '../../disk-capabilities.ts';
import type { VmStateArea } from '../../format/format-image.ts';
import type { ImageWriter } from '../../format/image-writer.ts';
import { runAsync, runSync, type Step } from '../../step.ts';
import type { CapabilityTarget } from './disk-change.ts';

export class VmState implements DiskVmState {
  readonly #target: CapabilityTarget;
  readonly #area: VmStateArea;

  constructor(target: CapabilityTarget, area: VmStateArea) {
    this.#target = target;
    this.#area = area;
  }

  async read(dst: Uint8Array, offset: number): Promise<void> {
    await runAsync(this.#readStep(dst, offset));
  }

  readSync(dst: Uint8Array, offset: number): void {
    this.#target.needSync('vmState.readSync');
    runSync(this.#readStep(dst, offset));
  }

  async write(src: Uint8Array, offset: number): Promise<void> {
    await runAsync(this.#writeStep(src, offset));
  }

  writeSync(src: Uint8Array, offset: number): void {
    this.#target.needSync('vmState.writeSync');
    runSync(this.#writeStep(src, offset));
  }

  *#readStep(dst: Uint8Array, offset: number): Step<void> {
    checkArgument('vmState.read', 'dst', dst, 'bytes');
    const range = () => this.#range(offset, dst.length);
    const area = this.#area;
    const { behindDisk, read } = this.#target;
    yield* read('vmState.read', function* () {
      for (;;) {
        const { start, end } = range();
        yield* area.load(end);
        // The disk may have got another size meanwhile.
        if (start === range().start) return yield* behindDisk.readStep(dst, start);
      }
    });
  }

  *#writeStep(src: Uint8Array, offset: number): Step<void> {
    checkArgument('vmState.write', 'src', src, 'bytes');
    const range = () => this.#range(offset, src.length);
    const area = this.#area;
    const { behindDisk, change } = this.#target;
    const pick = (writer: ImageWriter) => (area.reserve === undefined ? undefined : writer);
    yield* change('vmState.write', pick, function* (writer) {
      // Asked when its turn has come: where the disk ends, the requests before it have decided.
      const { start, end } = range();
      yield* area.reserve!(end);
      yield* behindDisk.writeStep(writer, src, start);
    });
  }

  #range(offset: number, lengthBytes: number): { start: number; end: number } {
    const start = this.#area.startGuestOffset + Number(offset);
    const end = start + lengthBytes;
    const isOffset = Number.isSafeInteger(offset) && offset >= 0;
    if (isOffset && Number.isSafeInteger(end)) return { start, end };
    throw new DiskError(
      'out-of-range',
      'disk.vm-state-range',
      `No image has state at the offset ${describeValue(offset)}`,
      isOffset ? { offset, length: lengthBytes } : {},
    );
  }
}
