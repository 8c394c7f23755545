/** The reference of an image to the one below it. */
import { checkFields, type OptionKinds } from '../../arguments.ts';
import type { DiskBacking } from '../../disk-capabilities.ts';
import type { BackingWriter } from '../../format/writer-capabilities.ts';
import type { BackingReference } from '../../open/reference.ts';
import { runAsync, runSync, type Step } from '../../step.ts';
import type { CapabilityTarget } from './disk-change.ts';

const REFERENCE_KINDS: OptionKinds<BackingReference> = {
  name: 'text',
  format: 'text',
  alternatives: 'texts',
};

export class Backing implements DiskBacking {
  readonly #target: CapabilityTarget;

  constructor(target: CapabilityTarget) {
    this.#target = target;
  }

  get reference(): BackingReference | undefined {
    return this.#target.image.backing;
  }

  async setReference(backing: BackingReference | undefined): Promise<void> {
    await runAsync(this.#setReference(backing));
  }

  setReferenceSync(backing: BackingReference | undefined): void {
    this.#target.needSync('setReferenceSync');
    runSync(this.#setReference(backing));
  }

  *#setReference(backing: BackingReference | undefined): Step<void> {
    if (backing !== undefined) checkFields('rebase', backing, REFERENCE_KINDS, ['name'], 'backing');
    yield* this.#change('rebase', (writer) => writer.setBacking(backing));
  }

  async dropContent(): Promise<void> {
    await runAsync(this.#change('dropContent', (writer) => writer.dropContent()));
  }

  dropContentSync(): void {
    this.#target.needSync('dropContentSync');
    runSync(this.#change('dropContent', (writer) => writer.dropContent()));
  }

  #change(op: string, body: (backing: BackingWriter) => Step<void>): Step<void> {
    return this.#target.change(op, ({ backing }) => backing, body);
  }
}
