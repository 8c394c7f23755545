#!/usr/bin/env python3
"""Write a raw disk of holes, zeros, random, repeated and textual bytes.

usage: payload.py FILE SIZE SEED

The pieces lie across cluster boundaries on purpose; a small disk has only those
that it has room for. The last byte is not zero. The same bytes for the same SIZE and SEED.
"""

import random
import sys


def text(rng: random.Random, length: int) -> bytes:
    words = ["cluster", "sector", "extent", "inode", "journal", "bitmap", "header", "offset"]
    lines = (" ".join(rng.choices(words, k=8)) + "\n" for _ in range(length // 32 + 1))
    return "".join(lines).encode()[:length]


def pieces(rng: random.Random, size: int):
    yield 0, text(rng, 400)
    yield 4096, rng.randbytes(5000)
    yield 65536 - 100, b"\xa5" * 9000
    yield 200000, rng.randbytes(10007)
    yield 3 * 131072, text(rng, 20000)
    yield size // 2 - 1, b"\x01\x02"
    yield size // 2 + 70000, b"\xff" * 9000
    for _ in range(8):
        yield rng.randrange(size // 2, size - 2000), rng.randbytes(rng.randrange(1, 2000))
    yield size - 3000, rng.randbytes(2999) + b"\x7f"


def main(path: str, size: int, seed: int) -> None:
    with open(path, "wb") as disk:
        disk.truncate(size)
        for offset, data in pieces(random.Random(seed), size):
            disk.seek(offset)
            disk.write(data[: max(0, size - offset)])


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
