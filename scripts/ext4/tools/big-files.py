#!/usr/bin/env python3
"""Make sparse files that reach the far ends of a mapping.

usage: big-files.py DIRECTORY indirect|terabyte|every-other-block|long-extents
"""

import os
import sys

import fsops


def scatter(path: str, offsets: list[int], size: int | None = None) -> None:
    """Write one marked piece at each offset; the rest stays a hole."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        for offset in offsets:
            os.pwrite(fd, (b"piece at %d\n" % offset) * 40, offset)
        if size is not None:
            os.ftruncate(fd, size)
        os.fsync(fd)
    finally:
        os.close(fd)


def indirect(root: str) -> None:
    """Pieces at both sides of each border of a classic block map."""
    block = os.statvfs(root).f_bsize
    per_block = block // 4
    single = 12 * block
    double = single + per_block * block
    triple = double + per_block**2 * block
    end = triple + per_block**3 * block
    borders = [single, double, triple]
    near = [border + delta for border in borders for delta in (-block, 0)]
    inside = [double + per_block * block + 5 * block, triple + 3 * per_block**2 * block // 2]
    scatter(f"{root}/triple-indirect", [0, *near, *inside])
    # Offsets that fall into one part of the map only.
    scatter(f"{root}/single-only", [single])
    scatter(f"{root}/double-only", [double + 7])
    scatter(f"{root}/triple-only", [triple + 7])
    # The last block of the map, or near 2 TiB, where the count of sectors ends.
    scatter(f"{root}/map-end", [min(end - 2 * block, 2**41 - 2**33)])


def terabyte(root: str) -> None:
    size = 1 << 40
    offsets = [0, 1, 4095, 1 << 20, (1 << 30) - 3, 1 << 31, 1 << 32, (1 << 32) + 70_000]
    offsets += [5 << 35, (1 << 39) - 1, 1 << 39, size - (1 << 20), size - 5000]
    scatter(f"{root}/terabyte", offsets, size)
    scatter(f"{root}/terabyte-hole", [], size)
    scatter(f"{root}/terabyte-odd-end", [size - 100], size + 12_345)
    # Logical block 2^32 - 2 is the last one.
    block = os.statvfs(root).f_bsize
    scatter(f"{root}/largest", [0, (2**32 - 2) * block])


def every_other_block(root: str) -> None:
    """30,000 blocks with holes between them, each an extent of its own."""
    block = os.statvfs(root).f_bsize
    fd = os.open(f"{root}/every-other-block", os.O_RDWR | os.O_CREAT, 0o644)
    for n in range(30_000):
        os.pwrite(fd, (b"block %d\n" % n).ljust(block, b"-"), 2 * n * block)
    os.fsync(fd)
    os.close(fd)


def long_extents(root: str) -> None:
    """As few extents as possible for a large file, written and unwritten."""
    size = 200 << 20
    fd = os.open(f"{root}/written", os.O_RDWR | os.O_CREAT, 0o644)
    fsops.fallocate(fd, 0, 0, size)
    for offset in range(0, size, 1 << 20):
        os.pwrite(fd, b"mebibyte %d" % (offset >> 20) + bytes((1 << 20) - 20), offset)
    os.fsync(fd)
    os.close(fd)
    fd = os.open(f"{root}/unwritten", os.O_RDWR | os.O_CREAT, 0o644)
    fsops.fallocate(fd, 0, 0, 3 * size)
    os.fsync(fd)
    os.close(fd)


def main(root: str, kind: str) -> None:
    kinds = {
        "indirect": indirect,
        "terabyte": terabyte,
        "every-other-block": every_other_block,
        "long-extents": long_extents,
    }
    kinds[kind](root)


if __name__ == "__main__":
    main(*sys.argv[1:])
