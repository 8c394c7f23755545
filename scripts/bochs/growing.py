#!/usr/bin/env python3
"""Writes growing disk images of Bochs, for tests, from the description of redologs alone.

usage: growing.py TARGET CONTENT [--version 1|2] [--extent BYTES] [--bitmap BYTES] [--shuffle]
                  [--spare ENTRIES]

CONTENT is a raw disk. Sectors of zeros are left out of bitmaps, extents of zeros out of the catalog.
"""

import argparse
import random
import struct

SECTOR = 512
MISSING = 0xFFFFFFFF


def blocks(size: int) -> int:
    return -(-size // SECTOR)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("target")
    parser.add_argument("content")
    parser.add_argument("--version", type=int, default=2)
    parser.add_argument("--extent", type=int, default=65536)
    parser.add_argument("--bitmap", type=int, default=0)
    parser.add_argument("--shuffle", action="store_true")
    parser.add_argument("--spare", type=int, default=0)
    args = parser.parse_args()
    with open(args.content, "rb") as file:
        content = file.read()

    bitmap_size = args.bitmap or -(-args.extent // SECTOR // 8) or 1
    entries = -(-len(content) // args.extent) + args.spare
    order = [index for index in range(entries) if any(content[index * args.extent : (index + 1) * args.extent])]
    if args.shuffle:
        random.Random(1).shuffle(order)
    catalog = [MISSING] * entries
    for place, index in enumerate(order):
        catalog[index] = place

    with open(args.target, "wb") as target:
        header = b"Bochs Virtual HD Image".ljust(32, b"\0") + b"Redolog".ljust(16, b"\0") + b"Growing".ljust(16, b"\0")
        header += struct.pack("<IIIII", args.version << 16, SECTOR, entries, bitmap_size, args.extent)
        header += struct.pack("<Q", len(content)) if args.version == 1 else struct.pack("<IQ", 0, len(content))
        target.write(header.ljust(SECTOR, b"\0"))
        target.write(struct.pack(f"<{entries}I", *catalog))
        for index in order:
            data = content[index * args.extent : (index + 1) * args.extent].ljust(args.extent, b"\0")
            written = bytearray(blocks(bitmap_size) * SECTOR)
            for sector in range(args.extent // SECTOR):
                if any(data[sector * SECTOR : (sector + 1) * SECTOR]):
                    written[sector // 8] |= 1 << sector % 8
            # What no bit stands for is left from before, and nobody's to read.
            stale = bytearray(b"\xa5" * args.extent)
            for sector in range(args.extent // SECTOR):
                if written[sector // 8] >> sector % 8 & 1:
                    stale[sector * SECTOR : (sector + 1) * SECTOR] = data[sector * SECTOR : (sector + 1) * SECTOR]
            target.write(bytes(written) + bytes(stale))


main()
