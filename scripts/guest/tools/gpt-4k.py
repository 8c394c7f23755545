#!/usr/bin/env python3
"""Write a GUID partition table with logical blocks of 4096 bytes.

usage: gpt-4k.py DISK DISK_GUID NAME,TYPE_GUID,PARTITION_GUID,FIRST_LBA,LAST_LBA...

By the UEFI specification 2.10, section 5.2.3 (protective MBR) and 5.3 (GUID
partition table). A table here has 128 entries of 128 bytes, four blocks.
"""

import os
import struct
import sys
import uuid
import zlib

BLOCK = 4096
ENTRY_COUNT = 128
ENTRY_BYTES = 128
TABLE_BLOCKS = ENTRY_COUNT * ENTRY_BYTES // BLOCK


def protective_mbr(block_count: int) -> bytes:
    size_in_lba = min(block_count - 1, 0xFFFFFFFF)
    record = struct.pack("<4B4BII", 0, 0, 2, 0, 0xEE, 0xFF, 0xFF, 0xFF, 1, size_in_lba)
    return bytes(446) + record + bytes(48) + b"\x55\xaa" + bytes(BLOCK - 512)


def entry(description: str) -> bytes:
    name, type_guid, guid, first, last = description.split(",")
    return struct.pack(
        "<16s16sQQQ72s",
        uuid.UUID(type_guid).bytes_le,
        uuid.UUID(guid).bytes_le,
        int(first),
        int(last),
        0,
        name.encode("utf-16-le"),
    )


def header(disk_guid: str, table: bytes, my_lba: int, table_lba: int, block_count: int) -> bytes:
    last = block_count - 1

    def packed(checksum: int) -> bytes:
        return struct.pack(
            "<8sIIIIQQQQ16sQIII",
            b"EFI PART",
            0x00010000,
            92,
            checksum,
            0,
            my_lba,
            last if my_lba == 1 else 1,
            2 + TABLE_BLOCKS,
            last - TABLE_BLOCKS - 1,
            uuid.UUID(disk_guid).bytes_le,
            table_lba,
            ENTRY_COUNT,
            ENTRY_BYTES,
            zlib.crc32(table),
        )

    return packed(zlib.crc32(packed(0))).ljust(BLOCK, b"\0")


def main(path: str, disk_guid: str, descriptions: list[str]) -> None:
    block_count = os.path.getsize(path) // BLOCK
    last = block_count - 1
    table = b"".join(map(entry, descriptions)).ljust(ENTRY_COUNT * ENTRY_BYTES, b"\0")
    with open(path, "r+b") as disk:
        disk.write(protective_mbr(block_count))
        disk.write(header(disk_guid, table, 1, 2, block_count))
        disk.write(table)
        disk.seek((last - TABLE_BLOCKS) * BLOCK)
        disk.write(table)
        disk.write(header(disk_guid, table, last, last - TABLE_BLOCKS, block_count))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
