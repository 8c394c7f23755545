#!/usr/bin/env python3
"""Give the internal snapshots of a qcow2 image fixed dates.

usage: fix-snapshot-dates.py IMAGE EPOCH

The first snapshot is dated EPOCH, each other one a day after the one before.
By QEMU's docs/interop/qcow2.txt, sections "Header" and "Snapshots".
"""

import struct
import sys


def main(path: str, epoch: int) -> None:
    with open(path, "r+b") as image:
        image.seek(60)
        count, offset = struct.unpack(">IQ", image.read(12))
        for index in range(count):
            image.seek(offset)
            entry = image.read(40)
            id_bytes, name_bytes = struct.unpack_from(">HH", entry, 12)
            (extra_bytes,) = struct.unpack_from(">I", entry, 36)
            image.seek(offset + 16)
            image.write(struct.pack(">II", epoch + 86400 * index, 0))
            length = 40 + extra_bytes + id_bytes + name_bytes
            offset += (length + 7) // 8 * 8


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
