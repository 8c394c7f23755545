#!/usr/bin/env python3
"""Append fs-verity metadata to copies of files, as ext4 stores it past the end.

usage: verity.py FILE...

After the data come, each at its own alignment: the Merkle tree of SHA-256 over
4 KiB blocks (at a multiple of 64 KiB), the descriptor (at a block), and in the
last 4 bytes of that block the descriptor's size.
"""

import hashlib
import struct
import sys

BLOCK = 4096
TREE_ALIGNMENT = 65536
HASH_BYTES = 32


def padded(data: bytes, alignment: int) -> bytes:
    return data + bytes(-len(data) % alignment)


def merkle_levels(data: bytes) -> list[bytes]:
    """Hash levels, the one over the data first."""
    levels, below = [], padded(data, BLOCK)
    while len(below) > BLOCK:
        hashes = [hashlib.sha256(below[n : n + BLOCK]).digest() for n in range(0, len(below), BLOCK)]
        below = padded(b"".join(hashes), BLOCK)
        levels.append(below)
    return levels


def descriptor(data: bytes, levels: list[bytes]) -> bytes:
    top = levels[-1] if levels else padded(data, BLOCK)
    root_hash = hashlib.sha256(top).digest() if data else bytes(HASH_BYTES)
    head = struct.pack("<BBBBIQ", 1, 1, 12, 0, 0, len(data))
    return head + root_hash.ljust(64, b"\0") + bytes(32) + bytes(144)


def main(paths: list[str]) -> None:
    for path in paths:
        with open(path, "rb") as source:
            data = source.read()
        levels = merkle_levels(data)
        tail = descriptor(data, levels)
        # The tree is stored from its root level down.
        tree = b"".join(reversed(levels))
        last = tail.ljust(BLOCK - 4, b"\0") + struct.pack("<I", len(tail))
        with open(path, "wb") as out:
            out.write(padded(data, TREE_ALIGNMENT) + tree + last)


if __name__ == "__main__":
    main(sys.argv[1:])
