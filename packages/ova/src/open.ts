/** Opens the disks of appliances. */
import { ContainedImage, type FormatImage, type OpenContext, type Step } from '@diskfile/core';
import { Appliance } from './appliance.ts';

export function* openOva(context: OpenContext): Step<FormatImage> {
  const { storage, limits } = context;
  const appliance = yield* Appliance.read(storage, limits);
  const chosen = appliance.chooseDisk(context.disk);
  const content = appliance.open(chosen.file);
  const openNamed = appliance.openNamed.bind(appliance);
  const inner = yield* context.openInner(content, { openNamed });
  const disks = appliance.disks.map(({ id, file, capacityBytes }) => ({
    name: id,
    file,
    ...(capacityBytes === undefined ? {} : { virtualSizeBytes: capacityBytes }),
  }));
  const details = { disk: chosen.id, file: chosen.file, disks };
  const box = { format: 'ova', storage, content, details, disks, openNamed };
  return new ContainedImage(box, inner);
}
