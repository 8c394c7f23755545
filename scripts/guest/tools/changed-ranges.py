#!/usr/bin/env python3
"""Print the qemu-io commands that make one raw disk into another.

usage: changed-ranges.py OLD NEW DIRECTORY

The disks have the same size, a multiple of 4096. The new bytes of each changed
range go into a file of DIRECTORY, which the commands name.
"""

import os
import sys

BLOCK = 4096
WINDOW = 1 << 20


def changed_blocks(old, new):
    """The index of every block that differs."""
    base = 0
    while was := old.read(WINDOW):
        now = new.read(WINDOW)
        if was != now:
            for start in range(0, len(was), BLOCK):
                if was[start : start + BLOCK] != now[start : start + BLOCK]:
                    yield (base + start) // BLOCK
        base += len(was)


def ranges(blocks):
    """Neighbours joined: [first, past the last]."""
    current = None
    for block in blocks:
        if current and current[1] == block:
            current[1] += 1
            continue
        if current:
            yield current
        current = [block, block + 1]
    if current:
        yield current


def main(old_path: str, new_path: str, directory: str) -> None:
    os.makedirs(directory, exist_ok=True)
    with open(old_path, "rb") as old, open(new_path, "rb") as new:
        found = list(ranges(changed_blocks(old, new)))
        for first, end in found:
            offset, length = first * BLOCK, (end - first) * BLOCK
            path = os.path.join(directory, str(offset))
            new.seek(offset)
            with open(path, "wb") as out:
                out.write(new.read(length))
            print(f"write -q -s {path} {offset} {length}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3])
