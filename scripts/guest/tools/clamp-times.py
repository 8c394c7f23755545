#!/usr/bin/env python3
"""Set every modification time in a tree that is after EPOCH to EPOCH.

usage: clamp-times.py ROOT EPOCH

What a package brings keeps its time; what was made on this machine does not
tell when.
"""

import os
import sys


def clamp(path: bytes, epoch: int) -> None:
    if os.lstat(path).st_mtime > epoch:
        os.utime(path, (epoch, epoch), follow_symlinks=False)


def main(root: str, epoch: int) -> None:
    top = os.fsencode(root)
    for parent, _, _ in os.walk(top):
        for name in os.listdir(parent):
            clamp(os.path.join(parent, name), epoch)
    clamp(top, epoch)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
