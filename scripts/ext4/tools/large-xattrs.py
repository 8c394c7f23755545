#!/usr/bin/env python3
"""Set attribute values that only inodes of their own can hold.

usage: large-xattrs.py DIRECTORY
"""

import os
import random
import sys


def main(root: str) -> None:
    rng = random.Random(7)
    base = f"{root}/large-xattrs"
    os.mkdir(base)
    for size in (2000, 4000, 4097, 20_000, 65_000, 65_536):
        path = f"{base}/{size}"
        with open(path, "wb") as out:
            out.write(b"large attribute\n")
        os.setxattr(path, "user.large", rng.randbytes(size))
        os.setxattr(path, "user.small", b"beside it")
    shared = rng.randbytes(30_000)
    for n in range(3):
        path = f"{base}/same-value-{n}"
        os.mkdir(path)
        os.setxattr(path, "user.shared", shared)
    with open(f"{base}/many", "wb"):
        pass
    for n in range(12):
        os.setxattr(f"{base}/many", f"user.number-{n}", rng.randbytes(5000 + n))


if __name__ == "__main__":
    main(sys.argv[1])
