#!/usr/bin/env python3
"""Make files and directories around the limits of inline data.

usage: inline.py tree DIRECTORY    what mke2fs -d copies (it writes inline symlinks too)
       inline.py mounted DIRECTORY  what the kernel then changes
"""

import os
import sys


def write(path: str, data: bytes) -> None:
    with open(path, "wb") as out:
        out.write(data)


def pattern(size: int) -> bytes:
    return bytes(33 + n % 90 for n in range(size))


def sizes(base: str) -> None:
    os.makedirs(base)
    for size in (*range(0, 8), *range(54, 66), *range(120, 170), 200, 300):
        write(f"{base}/{size:03d}", pattern(size))


def tree(root: str) -> None:
    sizes(f"{root}/copied")
    os.makedirs(f"{root}/copied-links")
    for length in (1, 59, 60, 61, 80, 120, 150, 160, 200, 1000):
        os.symlink("s" * length, f"{root}/copied-links/{length}")
    os.makedirs(f"{root}/copied-zeros")
    for size in (50, 100, 200, 3000, 50_000):
        # mke2fs stores no byte of these, but the size, and the inline flag: the rest is zero.
        write(f"{root}/copied-zeros/{size}", bytes(size))
    write(f"{root}/copied-zeros/hole", b"")
    os.truncate(f"{root}/copied-zeros/hole", 5 << 20)
    os.makedirs(f"{root}/copied-directories/empty")
    for n in range(4):
        os.makedirs(f"{root}/copied-directories/with-{n}")
        for m in range(n):
            write(f"{root}/copied-directories/with-{n}/{m}", b"x")


def files(root: str) -> None:
    base = f"{root}/files"
    sizes(base)
    write(f"{base}/grown", pattern(50))
    with open(f"{base}/grown", "ab") as out:
        out.write(pattern(9000))
    write(f"{base}/spilled-into-attributes", pattern(40))
    with open(f"{base}/spilled-into-attributes", "ab") as out:
        out.write(pattern(60))
    write(f"{base}/shrunk", pattern(150))
    os.truncate(f"{base}/shrunk", 70)
    write(f"{base}/shrunk-into-i-block", pattern(150))
    os.truncate(f"{base}/shrunk-into-i-block", 10)
    write(f"{base}/extended-by-truncate", pattern(20))
    os.truncate(f"{base}/extended-by-truncate", 100)
    write(f"{base}/hole-then-large", pattern(20))
    os.truncate(f"{base}/hole-then-large", 100_000)
    # Attributes that share the inode with the data, and that push it out.
    for size in (10, 60, 90, 130):
        for length in (4, 30, 60, 500):
            path = f"{base}/data-{size}-attribute-{length}"
            write(path, pattern(size))
            os.setxattr(path, "user.beside", b"a" * length)


def directories(root: str) -> None:
    base = f"{root}/directories"
    os.makedirs(base)
    for count in range(0, 16):
        path = f"{base}/entries-{count:02d}"
        os.mkdir(path)
        for n in range(count):
            write(f"{path}/entry{n}", b"%d" % n)
    os.mkdir(f"{base}/removed-first")
    for n in range(4):
        write(f"{base}/removed-first/n{n}", b"")
    os.unlink(f"{base}/removed-first/n0")
    os.mkdir(f"{base}/spilled-and-emptied")
    for n in range(60):
        write(f"{base}/spilled-and-emptied/{n}", b"")
    for n in range(60):
        os.unlink(f"{base}/spilled-and-emptied/{n}")
    os.makedirs(f"{base}/in-attributes")
    for name in ("a" * 30, "b" * 30, "c" * 20):
        write(f"{base}/in-attributes/{name}", b"long name, inline directory")
    os.makedirs(f"{base}/moved-here")
    os.rename(f"{base}/entries-02", f"{base}/moved-here/was-02")


def mounted(root: str) -> None:
    files(root)
    directories(root)
    base = f"{root}/links"
    os.makedirs(base)
    for length in (1, 59, 60, 61, 100, 150, 160, 161, 900):
        os.symlink("k" * length, f"{base}/{length}")


if __name__ == "__main__":
    {"tree": tree, "mounted": mounted}[sys.argv[1]](sys.argv[2])
