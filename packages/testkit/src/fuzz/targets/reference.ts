import { decodeFixedText } from '@diskfile/bytes';
import { parseImageName, quote } from '@diskfile/core';
import { tolerate } from '../exercise/tolerate.ts';
import { ContractViolation, type FuzzTarget } from '../fuzz-target.ts';
import { plainSeed } from '../seed-image.ts';

/** Names of backing and data files as QEMU writes them. */
const NAMES = [
  'base.qcow2',
  '/var/lib/images/base.qcow2',
  'file:relative/name.img',
  'nbd://host/export',
  'json:{"driver":"qcow2","file":{"driver":"file","filename":"base.qcow2"}}',
  'json:{"driver":"raw","offset":1048576,"size":"65536","file":{"driver":"file","filename":"x"}}',
  'json:{"file.filename":"x.img","driver":"qcow2","file.driver":"file","__proto__":{"a":1}}',
  'json:{"driver":"raw","file":{"driver":"raw","offset":512,"file":{"filename":"y","driver":"host_device"}}}',
];

export const referenceTarget: FuzzTarget = {
  name: 'reference',
  seeds: () =>
    NAMES.map((name, index) => plainSeed(`name-${index}`, new TextEncoder().encode(name))),
  async run(bytes) {
    const name = decodeFixedText(bytes);
    quote(name);
    for (const role of ['backing', 'data-file'] as const) {
      const file = await tolerate(() => parseImageName(name, role));
      if (file === undefined) continue;
      const { filename, offset, lengthBytes = 0 } = file;
      if (filename === '' || filename.includes('\0') || !isCount(offset) || !isCount(lengthBytes)) {
        throw new ContractViolation(`${quote(name)} becomes ${JSON.stringify(file)}`);
      }
    }
  },
};

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}
