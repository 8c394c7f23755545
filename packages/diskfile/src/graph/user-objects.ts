/** Objects that a command line defines for disks to refer to: secrets, and groups of limits. */
import { isUtf8 } from 'node:buffer';
import { DiskError } from '@diskfile/bytes';
import { checkArgument, isJsonObject, parseLooseJson } from '@diskfile/core';
import type { Secrets } from '../open/passphrases.ts';
import { BlockOptions, invalid } from './options/block-options.ts';
import { parseKeyval } from './options/keyval.ts';
import { readSecret } from './secret.ts';

const MAX_OBJECTS = 1000;
/** Objects that QEMU's machines have, and its tools have not. */
const MACHINE_OBJECTS: ReadonlySet<string> = new Set([
  'can-bus',
  'cryptodev-backend',
  'cryptodev-backend-builtin',
  'iothread',
  'memory-backend-file',
  'memory-backend-ram',
  'rng-builtin',
  'rng-random',
]);
const IDENTIFIER = /^[A-Za-z][A-Za-z0-9\-._]*$/;
/** What is text also in JSON. */
const TEXTS = ['qom-type', 'id', 'data', 'file', 'format', 'keyid', 'iv'];
/** What a throttle group may say; it is accepted, and nothing is slowed down. */
const THROTTLE_LIMIT =
  /^(?:x-)?(?:limits\.)?(?:bps|iops)-(?:total|read|write)(?:-max(?:-length)?)?$|^(?:x-)?(?:limits\.)?iops-size$/;

export class UserObjects {
  readonly #secrets = new Map<string, Uint8Array>();
  readonly #throttleGroups = new Set<string>();

  /**
   * Takes `secret,id=…,data=…`, `throttle-group,id=…`, or the same as a JSON object.
   * @throws DiskError `invalid-argument`, `not-found` for a secret's file
   */
  define(text: string): void {
    checkArgument('define', 'text', text, 'text');
    const options = parseObject(text);
    const type = options.takeText('qom-type');
    if (type === undefined) throw invalid("Parameter 'qom-type' is missing");
    const isOfMachines = MACHINE_OBJECTS.has(type);
    if (type !== 'secret' && type !== 'throttle-group' && !isOfMachines) {
      throw invalid(`Parameter 'qom-type' does not accept value '${type}'`);
    }
    const id = options.takeText('id');
    if (id === undefined) throw invalid("Parameter 'id' is missing");
    if (isOfMachines) throw invalid(`invalid object type: ${type}`);
    if (!IDENTIFIER.test(id)) {
      throw invalid(
        "Parameter 'id' expects an identifier\nIdentifiers consist of letters, digits, " +
          "'-', '.', '_', starting with a letter.",
      );
    }
    if (type === 'secret') this.#add(id, () => this.#secrets.set(id, this.#secretOf(options)));
    else {
      refuseOtherLimits(options);
      this.#add(id, () => this.#throttleGroups.add(id));
    }
  }

  #secretOf(options: BlockOptions): Uint8Array {
    return readSecret(options, (id) => this.#bytesOf(id));
  }

  #add(id: string, add: () => void): void {
    const { size: secrets } = this.#secrets;
    if (secrets + this.#throttleGroups.size >= MAX_OBJECTS) throw invalid('Too many objects');
    if (this.#secrets.has(id) || this.#throttleGroups.has(id)) {
      throw invalid(`attempt to add duplicate property '${id}' to object (type 'container')`);
    }
    add();
  }

  /**
   * A passphrase, which has to be text; keys of other secrets need not.
   * @throws DiskError `invalid-argument` when there is none of that name
   */
  secret(id: string): Uint8Array {
    const secret = this.#bytesOf(id);
    if (isText(secret)) return secret;
    const words = `Data from secret ${id} is not valid UTF-8`;
    throw new DiskError('invalid-argument', 'graph.secret-no-text', words);
  }

  /** Whether {@link secret} has one of that name. */
  hasSecret(id: string): boolean {
    const secret = this.#secrets.get(id);
    return secret !== undefined && isText(secret);
  }

  /** Those that can be passphrases, for images that name them. */
  get secrets(): Secrets {
    return new Map([...this.#secrets].filter(([, secret]) => isText(secret)));
  }

  #bytesOf(id: string): Uint8Array {
    const secret = this.#secrets.get(id);
    if (secret !== undefined) return secret;
    throw new DiskError('invalid-argument', 'graph.no-secret', `No secret with id '${id}'`);
  }

  hasThrottleGroup(id: string): boolean {
    return this.#throttleGroups.has(id);
  }
}

function isText(secret: Uint8Array): boolean {
  return isUtf8(secret) && !secret.includes(0);
}

function parseObject(text: string): BlockOptions {
  if (text.startsWith('{')) return parseJsonObject(text);
  const options = parseKeyval(text, 'qom-type', {
    onShortForm(word) {
      throw invalid(`Expected '=' after parameter '${word}'`);
    },
  });
  if (options.has('')) throw invalid("Invalid parameter ''");
  return options;
}

function parseJsonObject(text: string): BlockOptions {
  const value = parseLooseJson(text);
  if (!isJsonObject(value)) throw invalid('Invalid JSON object given');
  for (const name of TEXTS) {
    if (value[name] === undefined || typeof value[name] === 'string') continue;
    throw invalid(`Invalid parameter type for '${name}', expected: string`);
  }
  return BlockOptions.of(value);
}

function refuseOtherLimits(options: BlockOptions): void {
  for (;;) {
    const name = options.leftOver;
    if (name === undefined) return;
    if (!THROTTLE_LIMIT.test(name)) throw invalid(`Parameter '${name}' is unexpected`);
    const value = options.takeText(name);
    if (!/^-?\d+$/.test(value ?? '')) throw invalid(`Parameter '${name}' expects integer`);
    if (name.startsWith('x-') && value!.startsWith('-')) {
      throw invalid('Property values cannot be negative');
    }
  }
}
