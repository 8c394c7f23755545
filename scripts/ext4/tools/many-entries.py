#!/usr/bin/env python3
"""Fill one directory with very many entries.

usage: many-entries.py DIRECTORY files|links|subdirectories COUNT

files           empty files with names of mixed length and alphabet
links           hard links with names of 240 bytes, few entries to a block
subdirectories  empty directories
"""

import os
import random
import sys

# Below the 65,000 links that one inode may have.
LINKS_PER_INODE = 60_000


def file_name(n: int, rng: random.Random) -> bytes:
    """Unique; some names are not ASCII, so that signed hashes differ from unsigned."""
    style = n % 8
    if style == 0:
        return b"%d" % n
    if style == 1:
        return f"d\u00e4t\u00ebi-{n:05d}-\u65e5\u672c".encode()
    if style == 2:
        return b"\xff\xfe-%d-\x80" % n
    if style == 3:
        return b"%05d-" % n + b"x" * rng.randrange(1, 120)
    return b"entry-%06d.%s" % (n, rng.choice((b"c", b"so.1", b"conf", b"html")))


def files(root: bytes, count: int) -> None:
    rng = random.Random(count)
    for n in range(count):
        fd = os.open(root + b"/" + file_name(n, rng), os.O_CREAT | os.O_WRONLY, 0o644)
        if n % 4999 == 0:
            os.write(fd, b"number %d\n" % n)
        os.close(fd)


def links(root: bytes, count: int) -> None:
    target = b""
    for n in range(count):
        name = root + b"/%06d-" % n + b"l" * 233
        if n % LINKS_PER_INODE == 0:
            target = name
            with open(target, "wb") as out:
                out.write(b"linked from number %d\n" % n)
        else:
            os.link(target, name)


def subdirectories(root: bytes, count: int) -> None:
    for n in range(count):
        os.mkdir(root + b"/d%05d" % n)


def main(directory: str, kind: str, count: str) -> None:
    os.makedirs(directory, exist_ok=True)
    {"files": files, "links": links, "subdirectories": subdirectories}[kind](os.fsencode(directory), int(count))


if __name__ == "__main__":
    main(*sys.argv[1:])
