/** All targets by name; a target's seeds and drivers are loaded when it is asked for. */
import type { FuzzTarget } from '../fuzz-target.ts';

const LOADERS: Record<string, () => Promise<FuzzTarget>> = {
  reference: async () => (await import('./reference.ts')).referenceTarget,
  mbr: async () => (await import('./mbr.ts')).mbrTarget,
  gpt: async () => (await import('./gpt.ts')).gptTarget,
  deflate: async () => (await import('./deflate.ts')).deflateTarget,
  zstd: async () => (await import('./zstd.ts')).zstdTarget,
  adc: async () => await (await import('./codec.ts')).codecTarget('adc'),
  bzip2: async () => await (await import('./codec.ts')).codecTarget('bzip2'),
  lzfse: async () => await (await import('./codec.ts')).codecTarget('lzfse'),
  xz: async () => await (await import('./codec.ts')).codecTarget('xz'),
  raw: async () => (await import('./raw.ts')).rawTarget,
  qcow: async () => (await import('./qcow.ts')).qcowTarget,
  qcow2: async () => (await import('./qcow2.ts')).qcow2Target,
  qed: async () => (await import('./qed.ts')).qedTarget,
  parallels: async () => (await import('./parallels.ts')).parallelsTarget,
  bundle: async () => (await import('./bundle.ts')).bundleTarget,
  vhd: async () => (await import('./vhd.ts')).vhdTarget,
  vhdx: async () => (await import('./vhdx.ts')).vhdxTarget,
  vdi: async () => (await import('./vdi.ts')).vdiTarget,
  vmdk: async () => (await import('./vmdk.ts')).vmdkTarget,
  write: async () => (await import('./write.ts')).writeTarget,
  check: async () => (await import('./check.ts')).checkTarget,
  repair: async () => (await import('./repair.ts')).repairTarget,
  ova: async () => (await import('./ova.ts')).ovaTarget,
  packed: async () => (await import('./packed.ts')).packedTarget,
  asif: async () => (await import('./apple.ts')).asifTarget,
  sparseimage: async () => (await import('./apple.ts')).sparseImageTarget,
  bochs: async () => (await import('./bochs.ts')).bochsTarget,
  cloop: async () => (await import('./cloop.ts')).cloopTarget,
  dmg: async () => (await import('./dmg.ts')).dmgTarget,
  ewf: async () => (await import('./ewf.ts')).ewfTarget,
  ext4: async () => (await import('./ext4.ts')).ext4Target,
  luks: async () => (await import('./luks.ts')).luksTarget,
  open: async () => (await import('./open.ts')).openTarget,
};

export const TARGET_NAMES: readonly string[] = Object.keys(LOADERS);

/** @throws Error when there is no such target */
export async function loadTarget(name: string): Promise<FuzzTarget> {
  const load = LOADERS[name];
  if (load === undefined)
    throw new Error(`no target "${name}"; there are ${TARGET_NAMES.join(', ')}`);
  return await load();
}
