/** The disk formats that diskfile knows, in the order in which they are probed. */
import type { FormatDriver } from '@diskfile/core';
import { asifDriver, sparseImageDriver } from '@diskfile/apple';
import { bochsDriver } from '@diskfile/bochs';
import { cloopDriver } from '@diskfile/cloop';
import { dmgDriver } from '@diskfile/dmg';
import { ewfDriver } from '@diskfile/ewf';
import { luksDriver } from '@diskfile/luks';
import { parallelsDriver } from '@diskfile/parallels';
import { ovaDriver } from '@diskfile/ova';
import { gzipDriver, lz4Driver, xzDriver, zstdDriver } from '@diskfile/packed';
import { qcowDriver } from '@diskfile/qcow';
import { qcow2Driver } from '@diskfile/qcow2';
import { qedDriver } from '@diskfile/qed';
import { rawDriver } from '@diskfile/raw';
import { vdiDriver } from '@diskfile/vdi';
import { vhdDriver } from '@diskfile/vhd';
import { vhdxDriver } from '@diskfile/vhdx';
import { vmdkDriver } from '@diskfile/vmdk';

/** Raw answers `maybe` to everything, so its place does not matter; it stands last for readers. */
export const ALL_FORMATS: readonly FormatDriver[] = [
  qcow2Driver,
  qcowDriver,
  qedDriver,
  luksDriver,
  parallelsDriver,
  vdiDriver,
  vhdDriver,
  vhdxDriver,
  vmdkDriver,
  bochsDriver,
  cloopDriver,
  dmgDriver,
  sparseImageDriver,
  asifDriver,
  ewfDriver,
  ovaDriver,
  gzipDriver,
  zstdDriver,
  xzDriver,
  lz4Driver,
  rawDriver,
];
