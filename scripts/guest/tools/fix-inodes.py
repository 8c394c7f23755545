#!/usr/bin/env python3
"""Print the debugfs commands that give an image made by mke2fs -d exact times.

usage: fix-inodes.py SOURCE MOUNTED INODE_BYTES EPOCH

mke2fs -d copies a tree's times in whole seconds and takes the change time from
the source, so it differs in every run. The commands set every inode's
modification time to the source's, with nanoseconds where the inode has room,
and its other times to EPOCH. MOUNTED is the image, mounted read-only.
"""

import os
import sys


def tree(root: bytes):
    yield b""
    for parent, _, _ in os.walk(root):
        for name in os.listdir(parent):
            yield os.path.join(parent, name)[len(root) :]


def commands(inode: int, mtime_ns: int, inode_bytes: int, epoch: int):
    seconds, nanoseconds = divmod(mtime_ns, 10**9)
    fields = {"atime": f"@{epoch}", "ctime": f"@{epoch}", "mtime": f"@{seconds}"}
    if inode_bytes > 128:
        # The kernel adds (epoch bits << 32) to the signed low 32 bits.
        epoch_bits = ((seconds + 0x80000000) >> 32) & 3
        fields |= {
            "crtime": f"@{epoch}",
            "atime_extra": "0",
            "ctime_extra": "0",
            "crtime_extra": "0",
            "mtime_extra": str(nanoseconds << 2 | epoch_bits),
        }
    for name, value in fields.items():
        print(f"set_inode_field <{inode}> {name} {value}")


def main(source: str, mounted: str, inode_bytes: int, epoch: int) -> None:
    source_root, image_root = os.fsencode(source), os.fsencode(mounted)
    done = set()
    for relative in sorted(tree(image_root)):
        inode = os.lstat(image_root + relative).st_ino
        if inode not in done:
            done.add(inode)
            mtime_ns = os.lstat(source_root + relative).st_mtime_ns
            commands(inode, mtime_ns, inode_bytes, epoch)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
