/** What a partition table says, the same for every scheme. */
import type { DiskWarning } from '@diskfile/core';

export type PartitionScheme = 'gpt' | 'mbr';

export interface PartitionType {
  /** GPT: upper-case GUID. MBR: the type byte as `0x83`. */
  readonly id: string;
  /** For people; `unknown` where the id is in no list of ours. */
  readonly name: string;
}

/** One partition. `[startBytes, startBytes + lengthBytes)` always lies within the disk. */
export interface Partition {
  /**
   * As Linux numbers it: GPT by place in the table from 1; MBR primaries 1 to 4 by place, logical
   * ones from 5 in the order of their chain.
   */
  readonly number: number;
  readonly startBytes: number;
  readonly lengthBytes: number;
  readonly type: PartitionType;
  /** Label in the table; empty where there is none, always so in an MBR. */
  readonly name: string;
  /**
   * What Linux calls PARTUUID: the lower-case GUID, or `xxxxxxxx-NN` from the MBR's disk signature
   * and the partition's number in hexadecimal. Empty in an MBR without a signature.
   */
  readonly uuid: string;
  /** MBR: the active flag. GPT: the attribute LegacyBIOSBootable. */
  readonly bootable: boolean;
  /**
   * Attributes by the names that sfdisk prints: `RequiredPartition`, `NoBlockIOProtocol`,
   * `LegacyBIOSBootable`, and `GUID:48` to `GUID:63` for the bits that belong to the type.
   */
  readonly flags: readonly string[];
  /** A partition inside an MBR's extended partition. */
  readonly logical: boolean;
  /** An MBR partition that only holds logical ones. */
  readonly extended: boolean;
}

export interface PartitionTable {
  readonly scheme: PartitionScheme;
  /** Bytes of a logical sector, the unit of the table. */
  readonly sectorBytes: number;
  /** What blkid calls PTUUID: lower-case GUID, or eight hexadecimal digits; empty when unset. */
  readonly diskId: string;
  /** In the order of the table, logical ones last. */
  readonly partitions: readonly Partition[];
  readonly warnings: readonly DiskWarning[];
  /** What only this scheme has, under the names of its specification; can become JSON. */
  readonly details: Readonly<Record<string, unknown>>;
}
