/** LUKS1 on disk ("LUKS On-Disk Format Specification", version 1.2.3, section 2 and figure 1). */
import { blob, struct, u16be, u32be } from '@diskfile/bytes';

/** `LUKS` and two bytes. */
export const LUKS_MAGIC = Uint8Array.of(0x4c, 0x55, 0x4b, 0x53, 0xba, 0xbe);
export const LUKS_SECTOR_BYTES = 512;
export const LUKS_KEY_ENABLED = 0x00ac_71f3;
export const LUKS_KEY_DISABLED = 0x0000_dead;
export const LUKS_STRIPES = 4000;
export const LUKS_NUMKEYS = 8;
export const LUKS_DIGESTSIZE = 20;
export const LUKS_SALTSIZE = 32;

export const luksPhdr = struct('luks_phdr', {
  magic: blob(6),
  version: u16be,
  'cipher-name': blob(32),
  'cipher-mode': blob(32),
  'hash-spec': blob(32),
  'payload-offset': u32be,
  'key-bytes': u32be,
  'mk-digest': blob(LUKS_DIGESTSIZE),
  'mk-digest-salt': blob(LUKS_SALTSIZE),
  'mk-digest-iterations': u32be,
  uuid: blob(40),
});

export const luksKeySlot = struct('luks key slot', {
  active: u32be,
  iterations: u32be,
  salt: blob(LUKS_SALTSIZE),
  'key-material-offset': u32be,
  stripes: u32be,
});

export const LUKS_HEADER_BYTES = luksPhdr.spanBytes + LUKS_NUMKEYS * luksKeySlot.spanBytes;
